// Every MPI call of walla goes through check(): with MPI_ERRORS_RETURN set, a return code that
// nobody looks at is a failure that nobody hears of.
#pragma once

#include <mpi.h>

#include <stdexcept>
#include <string>

namespace walla::mpi {

/// A failed MPI call, with everything MPI says about it.
class MpiError : public std::runtime_error {
 public:
  MpiError(int code, const char* call);

  int code() const { return code_; }
  /// MPI error class (MPI_ERR_COMM, ...): the portable part; codes differ between MPIs.
  int errorClass() const { return errorClass_; }
  /// Name of the MPI function that failed.
  const std::string& call() const { return call_; }

 private:
  int code_;
  int errorClass_;
  std::string call_;
};

/// Throws MpiError unless `code` is MPI_SUCCESS.
void check(int code, const char* call);

}  // namespace walla::mpi
