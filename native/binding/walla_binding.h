// The native core that needs no MPI; native/addon.ts says what each function does. Any number of
// threads may load it: what belongs to one JavaScript environment is its AddonData.
#pragma once

#include <napi.h>

namespace walla {

/// Adds all functions of the core to an object, and makes the AddonData of the environment.
void exportCore(Napi::Env env, Napi::Object exports);

}  // namespace walla
