// When and how calls of the program become collective.
#pragma once

#include <atomic>
#include <cerrno>

#define COLLFS_NO_MPI
#include "../collfs-shadow/stage_name.h"
#include "../collfs/collfs.h"
#include "call_stack.h"
#include "collfs_library.h"

namespace walla::preload {

/// MPI is up. Collective: makes the calls of this thread collective from here on, on all ranks of
/// the job, if the user asks for it.
/// @param mpiVersion text of MPI_Get_library_version
/// @param ofMpi an address in the MPI library
/// @param threadLevel of MPI_Query_thread
void startShadowing(const char* mpiVersion, const void* ofMpi, int threadLevel);

/// MPI is about to end. Collective, unless shadowing has stopped.
void stopShadowing();

/// Whether it is worth while to look closer: calls here and now can be collective, and the name
/// does not show at once that it is for libc. Takes little stack, and is safe in signal handlers.
bool mayBeShadowed(const char* path);

/// The same without a name: whether calls here and now can be collective.
bool isShadowing();

/// The same for calls about a descriptor, on any thread.
bool mayBeShared(int fd);

/// The name to ask root for: from the root directory, whatever directory this rank stands in.
/// @param directoryFd AT_FDCWD or a descriptor that `path` starts from
/// @returns null if the call is for libc; else `path`, or a string in `name`
const char* nameToAsk(int directoryFd, const char* path, shadow::Name& name);

/// Of descriptors that come from collective opens, so that others need not be looked up.
void noteShared(int fd);
void noteUnshared(int fd);

/// One call of libcollfs: while it lives, all that this thread opens is for libc.
class CollectiveCall {
 public:
  CollectiveCall();
  CollectiveCall(const CollectiveCall&) = delete;
  CollectiveCall& operator=(const CollectiveCall&) = delete;
  ~CollectiveCall();

  /// collfs itself could not do it, rather than root's file system: says so, and libc is to be
  /// called instead. Errno stays.
  bool failed();
};

/// Makes a call collective if it is to be, and else libc's.
/// @param ask gets the name; its answer counts unless collfs failed
template <typename Result, typename Ask, typename Libc>
__attribute__((noinline)) Result askRoot(int directoryFd, const char* path, Ask ask, Libc libc) {
  shadow::Name name;
  const char* const asked = nameToAsk(directoryFd, path, name);
  if (asked != nullptr) {
    CollectiveCall call;
    const Result result = ask(asked);
    if (!call.failed()) return result;
  }
  return libc();
}

template <typename Result, typename Ask, typename Libc>
Result rootOrLibc(int directoryFd, const char* path, Ask ask, Libc libc) {
  // The names of askRoot are too large for the stacks of some signal handlers.
  if (!mayBeShadowed(path)) return libc();
  return askRoot<Result>(directoryFd, path, ask, libc);
}

}  // namespace walla::preload
