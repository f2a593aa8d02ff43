#pragma once

// Programs call the function by its own name; to this library's own code it is shadow_NAME, so
// that it needs to agree with the headers in nothing but its ABI.
#define COLLFS_INTERPOSE(result, name, parameters)  \
  extern "C" __attribute__((visibility("default"))) \
  result shadow_##name parameters __asm__(#name);   \
  extern "C" result shadow_##name parameters
