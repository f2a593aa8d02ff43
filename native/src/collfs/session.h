// The state of collfs in this process: the stack, settings, and how a failure reaches the program.
#pragma once

#include <mpi.h>

#include <cerrno>
#include <exception>
#include <memory>
#include <new>

#include "../mpi/check.h"
#include "../posix_error.h"
#include "call.h"
#include "collfs.h"
#include "counters.h"
#include "level.h"

namespace walla::collfs {

/// Marks this thread as inside collfs while it lives: MPI opens files too, and if the program's
/// open is collfs's, those must go to libc.
class Inside {
 public:
  Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside();
};

void initialize(int debugLevel, collfs_error_handler handler, void* data);
void setHandler(collfs_error_handler handler, void* data);
void setDebugLevel(int level);
void setChecked(bool on);
void setTimeout(double seconds);

void pushLevel(MPI_Comm comm, int root);
/// @throws Failure ERR_COLLFS_STATE if there is none
void popLevel();
std::size_t depth();

/// The communicator that a collective call made here is for; null if it is to go to libc.
/// @throws Failure ERR_COLLFS_THREAD
Level* collectiveLevel();
/// As above, where libc has nothing to offer. @throws also Failure ERR_COLLFS_STATE
Level& requireLevel(Operation operation);
/// For a call with NULL for a name, which libc's declarations leave undefined. Collective if
/// `level` is not null. @throws PosixError with `errorNumber`, or Failure
/// @param compared whether ranks compare calls of this kind in the unchecked mode too
[[noreturn]] void refuseName(Level* level, Operation operation, bool compared,
                             int errorNumber = EFAULT);
/// Asks the communicator on top, on whatever thread; without one, it is `otherwise`.
int topOr(int otherwise, int (*ask)(const Level&));
/// What collfs_is_collective says.
bool isCollective();

/// Sets errno, keeps the error for collfs_last_error, and calls the handler.
void report(const Failure& failure, Operation operation, const char* path);
void trace(const Level& level, const Call& call);
const collfs_error* lastError();
void clearError();

/// Runs one function of the interface: no exception leaves it.
/// @param failed what it returns on failure, errno being set
template <typename Result, typename Work>
Result run(Operation operation, const char* path, Result failed, Work work) {
  Measure measure(operation);
  const Inside inside;
  try {
    const Result result = work(measure);
    if (result == failed) measure.failed();
    return result;
  } catch (const Failure& failure) {
    report(failure, operation, path);
  } catch (const mpi::MpiError& error) {
    report(Failure(ERR_COLLFS_MPI, EIO, -1, error.what(), ""), operation, path);
  } catch (const PosixError& error) {
    errno = error.code();
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
  } catch (const std::exception& error) {
    report(Failure(ERR_COLLFS_MPI, EIO, -1, error.what(), ""), operation, path);
  }
  measure.failed();
  return failed;
}

}  // namespace walla::collfs
