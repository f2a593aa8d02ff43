// collfs-stage-openmpi, collfs-stage-mpich: fills a directory of each node for the audit library.
//
//     mpiexec (one rank on each node) collfs-stage-openmpi [--all] STAGE PATH...
//
// Rank 0 alone asks the shared file system. When all nodes are ready it prints a line, and the job
// holds the copies until the standard input of rank 0 ends. A program of its own, and a job of its
// own: the processes that load libraries have no MPI when they load the first ones, and never one
// in the audit library's namespace.
#include <mpi.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "../collfs/collfs.h"
#include "mirror.h"
#include "stage_keeper.h"
#include "stage_name.h"

using namespace walla::shadow;

namespace {

constexpr char kUsage[] = "usage: collfs-stage [--all] STAGE PATH...";

constexpr char kOtherPlace[] = "choose another place on each node: collfs-run --directory PLACE";

struct Request {
  bool all = false;
  std::string stage;
  std::vector<std::string> paths;
};

/// To standard error, in one piece. @param rank -1 before there are any
void report(int rank, const char* code, const std::string& message, const std::string& hint) {
  char host[256] = "?";
  gethostname(host, sizeof host - 1);
  const std::string place = (rank < 0 ? "" : "rank " + std::to_string(rank) + "@") + host;
  const std::string text = "collfs-stage: [" + place + "] " + code + ": " + message + "\n" +
                           (hint.empty() ? "" : "hint: " + hint + "\n");
  fputs(text.c_str(), stderr);
}

/// @returns what is wrong, or ''
std::string understand(int argc, char** argv, Request& request) {
  int at = 1;
  if (at < argc && strcmp(argv[at], "--all") == 0) {
    request.all = true;
    at++;
  }
  if (argc - at < 2) return "a stage and at least one path are needed";
  for (int first = at; at < argc; at++) {
    Name clean;
    if (argv[at][0] != '/' || !cleanName(argv[at], "", clean) || clean.length == 0) {
      return std::string(argv[at]) + " is not the absolute name of a directory below /";
    }
    if (strchr(clean.text, ':') != nullptr) return std::string(argv[at]) + " has a colon in it";
    if (at == first) {
      request.stage = clean.text;
    } else {
      request.paths.emplace_back(clean.text);
    }
  }
  // Those that lie below others come after them, and are part of them.
  std::sort(request.paths.begin(), request.paths.end());
  std::vector<std::string> outer;
  for (const std::string& path : request.paths) {
    const auto holds = [&path](const std::string& one) {
      return isBelow(path.c_str(), one.c_str());
    };
    if (std::none_of(outer.begin(), outer.end(), holds)) outer.push_back(path);
  }
  request.paths = outer;
  if (isBelow(request.stage.c_str(), request.paths[0].c_str())) return "the stage is below a path";
  return {};
}

void raiseDescriptorLimit() {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool isFirstOnNode(int rank) {
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
  int onNode = 0;
  MPI_Comm_rank(node, &onNode);
  MPI_Comm_free(&node);
  return onNode == 0;
}

/// Collective. Prints the first rank's failure. @returns true if there is none
bool allDo(const std::string& failure, int rank, const char* hint) {
  int mine = failure.empty() ? INT_MAX : rank;
  int first = INT_MAX;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (first == rank) report(rank, "ERR_COLLFS_STAGING", failure, hint);
  return first == INT_MAX;
}

/// Collective. Returns when the standard input of rank 0 ends; waits without using the processor.
void holdOn(int rank) {
  char ignored[256];
  ssize_t got = 1;
  while (rank == 0 && (got > 0 || (got < 0 && errno == EINTR))) {
    got = read(STDIN_FILENO, ignored, sizeof ignored);
  }
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int done = 0;;) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return;
    const timespec pause{0, 20'000'000};
    nanosleep(&pause, nullptr);
  }
}

/// Collective. @returns exit code
int stage(const Request& request, StageKeeper& keeper, int rank) {
  const bool builds = isFirstOnNode(rank);
  std::string failure;
  const int code = builds ? keeper.makeStage() : 0;
  if (code != 0) failure = "mkdir " + request.stage + ": " + strerror(code);
  if (!allDo(failure, rank, kOtherPlace)) return 1;
  collfs_init(1, nullptr, nullptr);
  if (collfs_comm_push(MPI_COMM_WORLD, 0) != 0) return 1;
  Mirror mirror(request.stage, request.paths, request.all, builds);
  failure = mirror.fill();
  collfs_finalize();
  if (!allDo(failure, rank, "give by --path directories that this rank can read") ||
      !allDo(mirror.ownFailure(), rank, kOtherPlace)) {
    return 1;
  }
  const MirrorCounts& counts = mirror.counts();
  if (rank == 0) {
    printf("ready: %llu files, %llu bytes; %llu others left in place\n",
           static_cast<unsigned long long>(counts.files),
           static_cast<unsigned long long>(counts.bytes),
           static_cast<unsigned long long>(counts.others));
    fflush(stdout);
  }
  holdOn(rank);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Request request;
  const std::string problem = understand(argc, argv, request);
  if (!problem.empty()) {
    report(-1, "ERR_COLLFS_OPTION", problem, kUsage);
    return 2;
  }
  raiseDescriptorLimit();
  try {
    StageKeeper keeper(request.stage);
    MPI_Init(&argc, &argv);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    const int code = stage(request, keeper, rank);
    MPI_Finalize();
    return code;
  } catch (const std::exception& error) {
    report(-1, "ERR_COLLFS_STAGING", error.what(), "");
    return 1;
  }
}
