// What stands in for mpi-*.node on a rank that cannot load it.
#pragma once

#include <memory>
#include <string>

namespace walla {

/// As much of MPI as it takes for a rank to fail together with the others: those that wait in
/// MPI_Init can be told of nothing before it has come there too. Built without any MPI: the
/// functions are looked up in the library that mpi-*.node would be linked to.
///
/// All functions but rank, size and failQuietly are collective, in the order in which the others
/// call those of native/src/mpi. Errors of MPI end the job, as MPI does by itself. One a process.
class MpiStandIn {
 public:
  /// @param abi "openmpi" or "mpich"
  /// @returns nullptr where the library is not there, or lacks a function
  static std::unique_ptr<MpiStandIn> load(const std::string& abi);

  virtual ~MpiStandIn() = default;

  /// Starts MPI, and ends it with the process as mpi::initialize does.
  virtual void initialize() = 0;
  /// Makes the communicators of all ranks and of this node. From here on rank and size are known.
  virtual void makeCommunicators() = 0;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Each value becomes the least, or the sum, over all ranks. Asleep while it waits.
  virtual void least(double* values, int count) = 0;
  virtual void sum(double* values, int count) = 0;
  virtual void bcast(void* data, int bytes, int root) = 0;
  /// An exit status other than 0 does not abort the job any more.
  virtual void failQuietly() = 0;
};

}  // namespace walla
