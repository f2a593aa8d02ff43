#include "roll_call.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "check.h"

namespace walla::mpi {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kCallTag = 11;
constexpr int kHereTag = 12;
constexpr long kFirstSleepNanoseconds = 20'000;
constexpr long kLongestSleepNanoseconds = 2'000'000;
/// How long the answers may take.
constexpr milliseconds kAnswers{2000};
/// Rank 0 calls; if it is the one that is missing, rank 1 does, then all others.
constexpr milliseconds kStep{3000};
constexpr int kSteps = 2;

void sleepFor(long nanoseconds) {
  const timespec duration{0, nanoseconds};
  nanosleep(&duration, nullptr);
}

bool isDone(MPI_Request& request) {
  int done = 0;
  check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

/// Nonblocking: a message to a rank that is stopped may never leave. Aborting takes care of it.
void post(MPI_Comm comm, int rank, int tag) {
  static char nothing;
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Isend(&nothing, 0, MPI_BYTE, rank, tag, comm, &request), "MPI_Isend");
  check(MPI_Request_free(&request), "MPI_Request_free");
}

/// @returns the rank a message with this tag came from, or -1
int receive(MPI_Comm comm, int tag) {
  int there = 0;
  MPI_Status status;
  check(MPI_Iprobe(MPI_ANY_SOURCE, tag, comm, &there, &status), "MPI_Iprobe");
  if (there == 0) return -1;
  char nothing;
  check(MPI_Recv(&nothing, 0, MPI_BYTE, status.MPI_SOURCE, tag, comm, MPI_STATUS_IGNORE),
        "MPI_Recv");
  return status.MPI_SOURCE;
}

void answerCalls(MPI_Comm comm) {
  for (int caller; (caller = receive(comm, kCallTag)) >= 0;) post(comm, caller, kHereTag);
}

/// @returns whether the request was completed meanwhile, or everybody answered
bool everybodyAnswers(MPI_Request& request, MPI_Comm comm, int self, int size) {
  std::vector<bool> here(static_cast<std::size_t>(size), false);
  here[static_cast<std::size_t>(self)] = true;
  for (int rank = 0; rank < size; ++rank) {
    if (rank != self) post(comm, rank, kCallTag);
  }
  int answers = 1;
  for (const auto end = Clock::now() + kAnswers; Clock::now() < end && answers < size;) {
    if (isDone(request)) return true;
    answerCalls(comm);
    const int rank = receive(comm, kHereTag);
    if (rank < 0) {
      sleepFor(kLongestSleepNanoseconds);
    } else if (!here[static_cast<std::size_t>(rank)]) {
      here[static_cast<std::size_t>(rank)] = true;
      ++answers;
    }
  }
  if (answers == size) return true;
  std::vector<int> absent;
  for (int rank = 0; rank < size; ++rank) {
    if (!here[static_cast<std::size_t>(rank)]) absent.push_back(rank);
  }
  throw RollCallError(std::move(absent));
}

}  // namespace

RollCallError::RollCallError(std::vector<int> absent)
    : std::runtime_error("ranks are missing"), absent_(std::move(absent)) {}

void waitOrCallRoll(MPI_Request& request, MPI_Comm comm, std::int64_t timeoutMs) {
  int self = 0;
  int size = 1;
  check(MPI_Comm_rank(comm, &self), "MPI_Comm_rank");
  check(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  const auto patience = milliseconds(timeoutMs) + kStep * std::min(self, kSteps);
  auto deadline = Clock::now() + patience;
  long pause = kFirstSleepNanoseconds;
  while (!isDone(request)) {
    answerCalls(comm);
    if (timeoutMs > 0 && Clock::now() >= deadline) {
      if (everybodyAnswers(request, comm, self, size)) deadline = Clock::now() + patience;
      continue;
    }
    // A signal cuts the sleep short, which only means one test more.
    sleepFor(pause);
    pause = std::min(pause + pause / 2, kLongestSleepNanoseconds);
  }
}

}  // namespace walla::mpi
