#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "call.h"
#include "level.h"
#include "place.h"

namespace walla::collfs {

struct Opened {
  /// -1 with root's errno.
  int fd = -1;
  int errorNumber = 0;
  std::uint64_t bytes = 0;
};

/// Largest number of files that openAll takes.
constexpr std::size_t kOpenedAtOnce = 1024;

/// Opens all places; collective.
/// @throws Failure, the same on all ranks: then nothing is open; mpi::MpiError
std::vector<Opened> openAll(Level& level, const Call& call, const std::vector<Place>& places,
                            int flags);

}  // namespace walla::collfs
