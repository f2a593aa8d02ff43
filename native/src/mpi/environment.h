// The life of MPI in this process: who initialized it, on which thread, and how it ends.
#pragma once

#include <stdexcept>
#include <string>

namespace walla::mpi {

/// MPI cannot be used in the way asked: wrong thread, finalized, too low a thread level.
class EnvironmentError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct EnvironmentInfo {
  /// False if another library of this process called MPI_Init before: then it also finalizes.
  bool initializedHere;
  /// "funneled", "serialized" or "multiple".
  std::string threadLevel;
  /// First line of MPI_Get_library_version.
  std::string library;
};

/// Initializes the World model unless somebody has; collective over the job. Asks for
/// MPI_THREAD_SERIALIZED and accepts MPI_THREAD_FUNNELED. The calling thread is the only one that
/// may use this library from then on. Calling it again returns the same answer.
///
/// If MPI was initialized here, an exit handler ends it with the process: MPI_Finalize when the
/// exit status is 0, else MPI_Abort with that status, so that the failure of one rank ends the job
/// instead of leaving the others waiting for it.
const EnvironmentInfo& initialize();

/// MPI's own answers; valid at any time, also before initialize().
bool isInitialized();
bool isFinalized();

/// Throws EnvironmentError unless MPI is up and this is the thread that initialized it.
void requireUsable();

/// Finalizes now, if MPI was initialized here; collective. MPI cannot come back in this process.
void release();

/// Says that all ranks have agreed to fail: exits with a status other than 0 then finalize, and
/// leave it to each rank's exit status to tell the launcher.
void failQuietly();

}  // namespace walla::mpi
