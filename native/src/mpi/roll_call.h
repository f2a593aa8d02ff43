// Waiting for the others with an end to it, and finding out which of them do not come.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace walla::mpi {

/// The wait took too long. `absent` did not come, and did not answer either.
class RollCallError : public std::runtime_error {
 public:
  explicit RollCallError(std::vector<int> absent);
  const std::vector<int>& absent() const { return absent_; }

 private:
  std::vector<int> absent_;
};

/// Completes the request of a nonblocking collective on `comm`, asleep for up to 2 ms at a time, as
/// `wait` does when patient. After `timeoutMs` the lowest rank that waits calls all others. Ranks
/// that wait in the same collective answer; one that is stopped, that works, or that is in a
/// blocking call of MPI, does not. When nobody is missing the wait goes on: they have only just
/// come.
///
/// Every rank of the collective has to wait by this function. Its messages use two tags of `comm`.
/// @param timeoutMs 0: for ever
/// @throws RollCallError on the rank that called; what is left of the request is then abandoned,
/// and all
///   there is to do is to abort the job
void waitOrCallRoll(MPI_Request& request, MPI_Comm comm, std::int64_t timeoutMs);

}  // namespace walla::mpi
