#include "collfs_library.h"

#include <dlfcn.h>

#include <cstring>
#include <initializer_list>

#include "../collfs-shadow/stage_name.h"

namespace walla::preload {
namespace {

const char* libraryFor(const char* mpiVersion) {
  if (strstr(mpiVersion, "Open MPI") != nullptr) return "libcollfs-openmpi.so";
  for (const char* const one : {"MPICH", "MVAPICH", "Intel(R) MPI"}) {
    if (strstr(mpiVersion, one) != nullptr) return "libcollfs-mpich.so";
  }
  return nullptr;
}

void* load(const char* name) {
  // The program may be linked with one: there must not be two.
  void* const there = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
  if (there != nullptr) return there;
  Dl_info own;
  shadow::Name path;
  if (dladdr(reinterpret_cast<const void*>(&loadCollfs), &own) == 0) return nullptr;
  const char* const slash = strrchr(own.dli_fname, '/');
  const std::size_t bytes = slash == nullptr ? 0 : std::size_t(slash + 1 - own.dli_fname);
  if (!path.append(own.dli_fname, bytes) || !path.append(name)) return nullptr;
  return dlopen(path.text, RTLD_NOW | RTLD_LOCAL);
}

template <typename Function>
bool find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

CollfsLibrary collfs;

bool loadCollfs(const char* mpiVersion, const char*& problem) {
  const char* const name = libraryFor(mpiVersion);
  problem = "there is no libcollfs for this MPI";
  if (name == nullptr) return false;
  void* const library = load(name);
  bool complete = library != nullptr;
#define COLLFS_FIND(each) complete = complete && find(library, #each, collfs.each);
  COLLFS_LIBRARY_FUNCTIONS(COLLFS_FIND)
#undef COLLFS_FIND
  if (complete) return true;
  const char* const why = dlerror();
  if (why != nullptr) problem = why;
  return false;
}

}  // namespace walla::preload
