#include "file_lock.h"

#include <sys/file.h>

#include <cerrno>

#include "posix_error.h"

namespace walla {

bool lockFile(int fd, LockMode mode, bool wait) {
  int operation = mode == LockMode::shared      ? LOCK_SH
                  : mode == LockMode::exclusive ? LOCK_EX
                                                : LOCK_UN;
  if (!wait) operation |= LOCK_NB;
  while (flock(fd, operation) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK && !wait) return false;
    throwErrno("flock", describeFd(fd));
  }
  return true;
}

}  // namespace walla
