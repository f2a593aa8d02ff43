#include "same_content.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "unique_fd.h"

namespace walla {

namespace {

constexpr size_t kReadBytes = size_t{128} << 10;

/// @returns bytes read, fewer than wanted at the end or where there is an error
size_t readAt(int fd, char* target, size_t wanted, uint64_t offset) {
  size_t done = 0;
  while (done < wanted) {
    const ssize_t got = pread(fd, target + done, wanted - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace

bool isSameContent(int archiveFd, uint64_t offset, uint64_t bytes, int directoryFd,
                   const std::string& path, bool follow) {
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW);
  const UniqueFd file(openat(directoryFd, path.c_str(), flags));
  if (!file.valid()) return false;
  const auto buffer = std::make_unique<char[]>(2 * kReadBytes);
  char* const now = buffer.get();
  char* const packed = now + kReadBytes;
  for (uint64_t at = 0; at < bytes; at += kReadBytes) {
    const size_t wanted = std::min<uint64_t>(kReadBytes, bytes - at);
    if (readAt(file.get(), now, wanted, at) != wanted) return false;
    if (readAt(archiveFd, packed, wanted, offset + at) != wanted) return false;
    if (std::memcmp(now, packed, wanted) != 0) return false;
  }
  return true;
}

}  // namespace walla
