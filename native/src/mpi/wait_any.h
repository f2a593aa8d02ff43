#pragma once

#include <mpi.h>

namespace walla::mpi {

/// Waits for messages on a thread that may share its core, as where a container has two of them and
/// the digest's thread needs one. It tests without pause, as MPI itself does, until the kernel has
/// taken the core away from it, which is how it learns that somebody else wants it; from then on it
/// sleeps between tests: the more of them the more often that has happened, and the longer each the
/// longer it waits for one message.
class AnyWait {
 public:
  AnyWait() noexcept;

  /// Completes one of these requests, of which at least one is active.
  /// @returns its place
  int operator()(int count, MPI_Request* requests, MPI_Status* status);

 private:
  /// A test has found nothing.
  void pause() noexcept;

  long preempted_;
  unsigned tests_ = 0;
  unsigned looks_ = 0;
  unsigned sleepsLeft_ = 0;
  unsigned sleepsNext_;
  long sleepNanoseconds_ = 0;
};

}  // namespace walla::mpi
