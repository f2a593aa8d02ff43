#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include "../unique_fd.h"

namespace walla::collfs {

/// The open files of a process, this one (kOwn) or another, as /proc shows them. The directory is
/// kept open: walking to it takes longer than opening something in it, the more so when all ranks
/// of a node do.
class ProcessDescriptors {
 public:
  /// Opens the file that `process` has under `fd` once more, with a position of its own. Invalid,
  /// with errno, when it cannot be.
  /// @param flags of open
  UniqueFd open(pid_t process, int fd, int flags = O_RDONLY | O_CLOEXEC);

  static constexpr pid_t kOwn = 0;

 private:
  /// Whose directory it is.
  pid_t process_ = kOwn;
  UniqueFd directory_;
};

}  // namespace walla::collfs
