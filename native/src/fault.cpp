#include "fault.h"

#include <signal.h>
#include <time.h>

#include <cerrno>
#include <string>

namespace walla {

namespace {

constexpr time_t kDelaySeconds = 10;

/// As stage/fault.ts reads it.
std::string ownRank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    const char* const rank = std::getenv(name);
    if (rank != nullptr && *rank != '\0') return rank;
  }
  return "0";
}

}  // namespace

int injectFault(const char* plan, const char* point) {
  const std::string text = plan;
  const size_t first = text.find(':');
  const size_t second = text.find(':', first + 1);
  if (first == text.npos || second == text.npos) return 0;
  if (text.compare(0, first, point) != 0 || text.substr(second + 1) != ownRank()) return 0;
  const std::string fault = text.substr(first + 1, second - first - 1);
  if (fault == "delay") {
    timespec left{kDelaySeconds, 0};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
    return 0;
  }
  if (fault == "kill") raise(SIGKILL);
  if (fault == "stop") {
    raise(SIGSTOP);
    return 0;
  }
  if (fault == "ENOSPC") return ENOSPC;
  if (fault == "ENOMEM") return ENOMEM;
  if (fault == "EACCES") return EACCES;
  return EIO;
}

}  // namespace walla
