// MPI_Init and MPI_Finalize, of whichever MPI the process has: what is interposed here looks the
// same in all of them.
#include <dlfcn.h>
#include <link.h>

#include "interpose.h"
#include "shadowing.h"

using namespace walla::preload;

namespace {

/// Calls of MPI_Init within MPI_Init: one name may be made of the other.
int depth = 0;

/// This library's own function of that name.
void* own(const char* name) {
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&own), &here) == 0) return nullptr;
  void* const library = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  void* const found = library == nullptr ? nullptr : dlsym(library, name);
  if (library != nullptr) dlclose(library);
  return found;
}

/// The function behind this library's: usually the program is linked with MPI. If only some library
/// is that was loaded later, and out of the sight of others, it is found from there.
void* behind(const char* name, const void* caller) {
  void* const next = dlsym(RTLD_NEXT, name);
  if (next != nullptr) return next;
  Dl_info info;
  link_map* object = nullptr;
  if (dladdr1(caller, &info, reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP) == 0) {
    return nullptr;
  }
  void* const library = dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD);
  void* const found = library == nullptr ? nullptr : dlsym(library, name);
  if (library != nullptr) dlclose(library);
  return found == own(name) ? nullptr : found;
}

template <typename Function>
Function* function(const char* name, const void* caller) {
  return reinterpret_cast<Function*>(behind(name, caller));
}

constexpr int kFailed = 16;  // MPI_ERR_OTHER or the like: there is no MPI behind this

template <typename Initialize>
int initialize(const char* name, const void* caller, Initialize call) {
  void* const real = behind(name, caller);
  if (real == nullptr) return kFailed;
  ++depth;
  const int code = call(real);
  if (--depth > 0 || code != 0) return code;
  auto* const versionOf = function<int(char*, int*)>("MPI_Get_library_version", caller);
  auto* const threadLevelOf = function<int(int*)>("MPI_Query_thread", caller);
  if (versionOf == nullptr || threadLevelOf == nullptr) return code;
  // MPI_MAX_LIBRARY_VERSION_STRING is 256 in Open MPI and 8192 in MPICH. Once in the life of a
  // process.
  static char version[16384];
  int length = 0;
  int threadLevel = 0;
  if (versionOf(version, &length) == 0 && threadLevelOf(&threadLevel) == 0) {
    startShadowing(version, real, threadLevel);
  }
  return code;
}

int initializePlain(const char* name, const void* caller, int* argc, char*** argv) {
  return initialize(name, caller, [=](void* real) {
    return reinterpret_cast<int (*)(int*, char***)>(real)(argc, argv);
  });
}

int initializeThread(const char* name, const void* caller, int* argc, char*** argv, int required,
                     int* provided) {
  return initialize(name, caller, [=](void* real) {
    return reinterpret_cast<int (*)(int*, char***, int, int*)>(real)(argc, argv, required,
                                                                     provided);
  });
}

int finalize(const char* name, const void* caller) {
  auto* const real = function<int()>(name, caller);
  if (real == nullptr) return kFailed;
  stopShadowing();
  return real();
}

}  // namespace

// Fortran's functions call one or the other, so both are here.

COLLFS_INTERPOSE(int, MPI_Init, (int* argc, char*** argv)) {
  return initializePlain("MPI_Init", __builtin_return_address(0), argc, argv);
}

COLLFS_INTERPOSE(int, PMPI_Init, (int* argc, char*** argv)) {
  return initializePlain("PMPI_Init", __builtin_return_address(0), argc, argv);
}

COLLFS_INTERPOSE(int, MPI_Init_thread, (int* argc, char*** argv, int required, int* provided)) {
  return initializeThread("MPI_Init_thread", __builtin_return_address(0), argc, argv, required,
                          provided);
}

COLLFS_INTERPOSE(int, PMPI_Init_thread, (int* argc, char*** argv, int required, int* provided)) {
  return initializeThread("PMPI_Init_thread", __builtin_return_address(0), argc, argv, required,
                          provided);
}

COLLFS_INTERPOSE(int, MPI_Finalize, ()) {
  return finalize("MPI_Finalize", __builtin_return_address(0));
}

COLLFS_INTERPOSE(int, PMPI_Finalize, ()) {
  return finalize("PMPI_Finalize", __builtin_return_address(0));
}
