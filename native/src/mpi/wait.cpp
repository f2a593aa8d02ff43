#include "wait.h"

#include <time.h>

#include <algorithm>

#include "check.h"
#include "wait_any.h"

namespace walla::mpi {

namespace {
constexpr long kFirstSleepNanoseconds = 20'000;
constexpr long kLongestSleepNanoseconds = 2'000'000;
}  // namespace

void wait(MPI_Request& request, bool patient) {
  if (!patient) {
    AnyWait()(1, &request, MPI_STATUS_IGNORE);
    return;
  }
  long pause = kFirstSleepNanoseconds;
  for (;;) {
    int done = 0;
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return;
    const timespec duration{0, pause};
    // A signal cuts the sleep short, which only means one test more.
    nanosleep(&duration, nullptr);
    pause = std::min(pause + pause / 2, kLongestSleepNanoseconds);
  }
}

}  // namespace walla::mpi
