#include "wait_any.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>

#include "check.h"

namespace walla::mpi {
namespace {

/// The kernel makes 70 us of it.
constexpr timespec kSleep = {0, 20'000};
constexpr unsigned kTestsBetweenLooks = 64;
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
    nanosleep(&kSleep, nullptr);
    return;
  }
  if (++tests_ % kTestsBetweenLooks != 0) return;
  const long now = preemptions();
  if (now == preempted_) return;
  preempted_ = now;
  sleepsLeft_ = sleepsNext_;
  sleepsNext_ = std::min(2 * sleepsNext_, kMostSleeps);
}

}  // namespace walla::mpi
