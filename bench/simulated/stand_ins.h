// What stands in for parts of walla and of MPI that a simulation of tens of thousands of ranks in
// one process cannot have: memory and a thread of its own for each rank.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace simulated {

struct StandIns {
  /// Every rank receives into memory of its own, and its digest is computed; otherwise all ranks
  /// share one region, and only the time of the digest is.
  bool check = false;
  /// Bytes per second at which one thread hashes.
  double digestSpeed = 0;
  /// Simulated second at which the last rank had all bytes, and at which it had its digest, by so
  /// many threads.
  static constexpr std::array<std::size_t, 2> kThreads{1, 4};
  double arrived = 0;
  std::array<double, kThreads.size()> digested{};
  /// In a check: receives posted outside a rank's region or over each other, and bytes posted.
  std::int64_t misplaced = 0;
  std::int64_t posted = 0;
};

StandIns& standIns();

}  // namespace simulated
