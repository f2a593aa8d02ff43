#include "check.h"

namespace walla::mpi {
namespace {

std::string describe(int code, const char* call) {
  char text[MPI_MAX_ERROR_STRING + 1] = {};
  int length = 0;
  std::string message = std::string(call) + " failed: ";
  if (MPI_Error_string(code, text, &length) == MPI_SUCCESS) {
    message.append(text, static_cast<std::size_t>(length));
  } else {
    message += "error code " + std::to_string(code);
  }
  return message;
}

int classOf(int code) {
  int errorClass = MPI_ERR_UNKNOWN;
  if (MPI_Error_class(code, &errorClass) != MPI_SUCCESS) return MPI_ERR_UNKNOWN;
  return errorClass;
}

}  // namespace

MpiError::MpiError(int code, const char* call)
    : std::runtime_error(describe(code, call)),
      code_(code),
      errorClass_(classOf(code)),
      call_(call) {}

void check(int code, const char* call) {
  if (code != MPI_SUCCESS) throw MpiError(code, call);
}

}  // namespace walla::mpi
