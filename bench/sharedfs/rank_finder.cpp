#include "rank_finder.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace sharedfs {
namespace {

struct Status {
  pid_t process = 0;
  pid_t parent = 0;
};

std::string proc_file(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + '/' + name;
}

Status status_of(pid_t thread) {
  std::ifstream file(proc_file(thread, "status"));
  Status status;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Tgid:", 0) == 0) status.process = std::atoi(line.c_str() + 5);
    if (line.rfind("PPid:", 0) == 0) status.parent = std::atoi(line.c_str() + 5);
  }
  return status;
}

int rank_in_environment(pid_t process) {
  std::ifstream file(proc_file(process, "environ"), std::ios::binary);
  for (std::string variable; std::getline(file, variable, '\0');) {
    for (const char* name : {"OMPI_COMM_WORLD_RANK=", "PMI_RANK="}) {
      if (variable.rfind(name, 0) == 0)
        return std::atoi(variable.c_str() + std::string(name).size());
    }
  }
  return no_rank;
}

}  // namespace

int RankFinder::rank_of(pid_t thread) {
  const std::lock_guard<std::mutex> lock(mutex_);
  pid_t process = 0;
  int rank = no_rank;
  for (pid_t at = thread; at > 1 && rank == no_rank;) {
    const auto known = known_.find(at);
    if (known != known_.end()) {
      rank = known->second;
      break;
    }
    const Status status = status_of(at);
    if (at == thread) process = status.process;
    const auto leader = known_.find(status.process);
    // The environment is read once for a process and not for each thread: reading it takes a lock
    // that a thread waiting for this file system may hold.
    rank = leader != known_.end() ? leader->second : rank_in_environment(status.process);
    at = status.parent;
  }
  // One without a rank may become one: launchers look at files between fork and exec.
  if (rank != no_rank) {
    known_[thread] = rank;
    if (process > 0) known_[process] = rank;
  }
  return rank;
}

}  // namespace sharedfs
