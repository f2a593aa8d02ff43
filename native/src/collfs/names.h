// Questions about names: root asks its file system, and all ranks get the answer or the errno.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "call.h"
#include "counters.h"
#include "level.h"
#include "place.h"

namespace walla::collfs {

// All of these are collective and return root's errno, or 0.
// They throw Failure, the same on all ranks, and mpi::MpiError.

/// @param flags, mask of statx
int askStatus(Level& level, Measure& measure, Operation operation, const Place& place, int flags,
              unsigned mask, struct statx& status);
int askAccess(Level& level, Measure& measure, const Place& place, int mode, int flags);
/// @param resolved the name without links, `.` and `..`
int askRealPath(Level& level, Measure& measure, const Place& place, std::string& resolved);
int askLink(Level& level, Measure& measure, const Place& place, std::string& target);
/// @param listing the entries, as collfs_dir takes them
int askListing(Level& level, Measure& measure, const Place& place, Bytes& listing);

/// What askListing asks root for; not collective.
int readListing(int directoryFd, const char* path, Bytes& listing);

struct NameStatus {
  int errorNumber;
  struct statx status;
};
std::vector<NameStatus> askStatuses(Level& level, const Call& call,
                                    const std::vector<Place>& places, int flags);

/// What an open has shown is remembered too.
void rememberOpened(Level& level, const Place& place, int errorNumber);

/// Paths of a batch as one number, for the comparison of calls.
std::uint64_t hashOf(const std::vector<Place>& places);

}  // namespace walla::collfs
