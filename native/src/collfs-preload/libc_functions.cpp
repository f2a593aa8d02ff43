#include "libc_functions.h"

#include <dlfcn.h>

#include <atomic>
#include <cerrno>

namespace walla::preload {
namespace {

LibcFunctions functions;
std::atomic<bool> found{false};

long hasNone() {
  errno = ENOSYS;
  return -1;
}

template <typename Function>
void find(Function*& function, const char* name) {
  void* const address = dlsym(RTLD_NEXT, name);
  function =
      reinterpret_cast<Function*>(address != nullptr ? address : reinterpret_cast<void*>(&hasNone));
}

/// Two threads that come at once find the same.
__attribute__((constructor)) void findAll() {
#define COLLFS_FIND(result, name, parameters) find(functions.name, #name);
  COLLFS_LIBC_FUNCTIONS(COLLFS_FIND)
#undef COLLFS_FIND
  found.store(true, std::memory_order_release);
}

}  // namespace

const LibcFunctions& libc() {
  if (!found.load(std::memory_order_acquire)) findAll();
  return functions;
}

}  // namespace walla::preload
