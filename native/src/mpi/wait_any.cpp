#include "wait_any.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>

#include "check.h"

namespace walla::mpi {
namespace {

/// The kernel makes 70 us of it.
constexpr long kFirstSleepNanoseconds = 20'000;
constexpr long kLongestSleepNanoseconds = 2'000'000;
constexpr unsigned kTestsBetweenLooks = 64;
/// Some ten milliseconds. A thread that tests for longer sleeps even where the kernel has left the
/// core to it: an MPI that yields in each test can make the scheduler of Linux (6.18) keep another
/// rank from the core for more than a minute, without ever taking it away.
constexpr unsigned kMostLooks = 256;
// Once may be a daemon that comes and goes: a millisecond. Whoever computes a digest comes back.
constexpr unsigned kFirstSleeps = 16;
constexpr unsigned kMostSleeps = 2048;

/// How often the kernel has taken the core from this thread.
long preemptions() noexcept {
  struct rusage usage {};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

}  // namespace

AnyWait::AnyWait() noexcept : preempted_(preemptions()), sleepsNext_(kFirstSleeps) {}

int AnyWait::operator()(int count, MPI_Request* requests, MPI_Status* status) {
  sleepNanoseconds_ = kFirstSleepNanoseconds;
  looks_ = 0;
  for (;;) {
    int which = 0;
    int done = 0;
    check(MPI_Testany(count, requests, &which, &done, status), "MPI_Testany");
    if (done != 0) return which;
    pause();
  }
}

void AnyWait::pause() noexcept {
  if (sleepsLeft_ > 0) {
    --sleepsLeft_;
    const timespec duration{0, sleepNanoseconds_};
    nanosleep(&duration, nullptr);
    // What has been waited for is found late by an eighth of the time at most.
    sleepNanoseconds_ =
        std::min(sleepNanoseconds_ + sleepNanoseconds_ / 8, kLongestSleepNanoseconds);
    return;
  }
  if (++tests_ % kTestsBetweenLooks != 0) return;
  const long now = preemptions();
  if (now == preempted_ && ++looks_ < kMostLooks) return;
  preempted_ = now;
  sleepsLeft_ = sleepsNext_;
  sleepsNext_ = std::min(2 * sleepsNext_, kMostSleeps);
}

}  // namespace walla::mpi
