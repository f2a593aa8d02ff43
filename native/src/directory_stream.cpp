#include "directory_stream.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "posix_error.h"
#include "unique_fd.h"

namespace walla {

DirectoryStream::DirectoryStream(int directoryFd) {
  UniqueFd own(openat(directoryFd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) throwErrno("open", describeFd(directoryFd));
  stream_ = fdopendir(own.get());
  if (stream_ == nullptr) throwErrno("fdopendir", describeFd(directoryFd));
  own.release();
}

DirectoryStream::~DirectoryStream() { closedir(stream_); }

int DirectoryStream::fd() const noexcept { return dirfd(stream_); }

const dirent* DirectoryStream::next() {
  for (;;) {
    errno = 0;
    const dirent* child = readdir(stream_);
    if (child == nullptr && errno != 0) throwErrno("readdir", describeFd(fd()));
    if (child == nullptr) return nullptr;
    if (std::strcmp(child->d_name, ".") != 0 && std::strcmp(child->d_name, "..") != 0) {
      return child;
    }
  }
}

}  // namespace walla
