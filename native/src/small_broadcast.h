#pragma once

#include <cstdint>

namespace walla {

/// A broadcast of at most so many bytes is mostly waiting, which `mpi::wait` does better than MPI:
/// it is nonblocking. MPI does not match a blocking one with it, so all ranks have to do the same.
constexpr std::int64_t kSmallBroadcastBytes = 4096;

}  // namespace walla
