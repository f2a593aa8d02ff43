#pragma once

#include <sys/types.h>
#include <mutex>
#include <unordered_map>

namespace sharedfs {

/** Who is not a rank: launchers, shells, the kernel itself. */
constexpr int no_rank = -1;

/**
 * Finds the rank that a request comes from. A rank is known by the variable that its launcher gave
 * it; a process without one (a child that was started without the launcher's variables) counts as
 * the rank it descends from.
 */
class RankFinder {
 public:
  /** @param thread the requesting thread, as the PID namespace of the mount numbers it; 0 for the
   * kernel */
  int rank_of(pid_t thread);

 private:
  std::mutex mutex_;
  std::unordered_map<pid_t, int> known_;
};

}  // namespace sharedfs
