#include "posix_error.h"

#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace walla {

namespace {

std::string message(int code, std::string_view call, std::string_view object) {
  std::string text = errnoName(code);
  text.append(": ").append(std::generic_category().message(code)).append(", ").append(call);
  if (!object.empty()) text.append(" '").append(object).append("'");
  return text;
}

}  // namespace

PosixError::PosixError(int code, std::string_view call, std::string_view object)
    : std::runtime_error(message(code, call, object)), code_(code), call_(call), object_(object) {}

void throwErrno(std::string_view call, std::string_view object) {
  throw PosixError(errno, call, object);
}

// strerrorname_np would do, but needs glibc 2.32; clusters run older ones for a long time.
const char* errnoName(int code) noexcept {
#define WALLA_ERRNO(name) \
  case name:              \
    return #name
  switch (code) {
    WALLA_ERRNO(E2BIG);
    WALLA_ERRNO(EACCES);
    WALLA_ERRNO(EAGAIN);
    WALLA_ERRNO(EBADF);
    WALLA_ERRNO(EBUSY);
    WALLA_ERRNO(ECANCELED);
    WALLA_ERRNO(EDEADLK);
    WALLA_ERRNO(EDOM);
    WALLA_ERRNO(EDQUOT);
    WALLA_ERRNO(EEXIST);
    WALLA_ERRNO(EFAULT);
    WALLA_ERRNO(EFBIG);
    WALLA_ERRNO(EHOSTUNREACH);
    WALLA_ERRNO(EILSEQ);
    WALLA_ERRNO(EINTR);
    WALLA_ERRNO(EINVAL);
    WALLA_ERRNO(EIO);
    WALLA_ERRNO(EISDIR);
    WALLA_ERRNO(ELOOP);
    WALLA_ERRNO(EMFILE);
    WALLA_ERRNO(EMLINK);
    WALLA_ERRNO(ENAMETOOLONG);
    WALLA_ERRNO(ENFILE);
    WALLA_ERRNO(ENODEV);
    WALLA_ERRNO(ENOENT);
    WALLA_ERRNO(ENOEXEC);
    WALLA_ERRNO(ENOLCK);
    WALLA_ERRNO(ENOMEM);
    WALLA_ERRNO(ENOSPC);
    WALLA_ERRNO(ENOSYS);
    WALLA_ERRNO(ENOTDIR);
    WALLA_ERRNO(ENOTEMPTY);
    WALLA_ERRNO(ENOTSUP);
    WALLA_ERRNO(ENOTTY);
    WALLA_ERRNO(ENXIO);
    WALLA_ERRNO(EOVERFLOW);
    WALLA_ERRNO(EPERM);
    WALLA_ERRNO(EPIPE);
    WALLA_ERRNO(ERANGE);
    WALLA_ERRNO(EREMOTEIO);
    WALLA_ERRNO(EROFS);
    WALLA_ERRNO(ESPIPE);
    WALLA_ERRNO(ESRCH);
    WALLA_ERRNO(ESTALE);
    WALLA_ERRNO(ETIMEDOUT);
    WALLA_ERRNO(ETXTBSY);
    WALLA_ERRNO(EXDEV);
    default:
      return "EUNKNOWN";
  }
#undef WALLA_ERRNO
}

std::string describeFd(int fd) {
  const int saved = errno;
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  char target[PATH_MAX];
  const ssize_t bytes = readlink(link.c_str(), target, sizeof target);
  errno = saved;
  if (bytes <= 0) return "descriptor " + std::to_string(fd);
  return std::string(target, static_cast<size_t>(bytes));
}

}  // namespace walla
