// Waits that offer the core to others now and then. Where ranks outnumber cores, or a second thread
// reads or writes files, MPICH's own waits keep the core until the kernel takes it away,
// milliseconds later.
#pragma once

#include <mpi.h>
#include <sched.h>

#include <vector>

#include "../mpi/check.h"

namespace walla::collfs {

/// Calls test() until it returns true.
template <typename Test>
void testAndYield(Test test) {
  // Open MPI may yield by itself in each of them.
  constexpr int kTestsBetweenYields = 4;
  for (int tests = 1; !test(); ++tests) {
    if (tests % kTestsBetweenYields == 0) sched_yield();
  }
}

inline bool testAll(std::vector<MPI_Request>& requests) {
  int done = 0;
  mpi::check(
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE),
      "MPI_Testall");
  return done != 0;
}

inline void waitAll(std::vector<MPI_Request>& requests) {
  testAndYield([&] { return testAll(requests); });
}

inline void wait(MPI_Request& request) {
  testAndYield([&] {
    int done = 0;
    mpi::check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    return done != 0;
  });
}

}  // namespace walla::collfs
