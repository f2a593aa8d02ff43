#include "file_space.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "posix_error.h"

namespace walla {

namespace {

// tmpfs gives everything back when a signal arrives in between, and a profiler's timer would then
// keep a large request from ever ending: piece by piece it does.
constexpr uint64_t kPieceBytes = uint64_t{256} << 20;

int reservePieces(int fd, uint64_t bytes) {
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t piece = std::min(bytes - done, kPieceBytes);
    const int code = posix_fallocate(fd, static_cast<off_t>(done), static_cast<off_t>(piece));
    if (code == EINTR) continue;
    if (code != 0) return code;
    done += piece;
  }
  return 0;
}

}  // namespace

void reserve(int fd, uint64_t bytes) {
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) throwErrno("ftruncate", describeFd(fd));
  const int code = reservePieces(fd, bytes);
  if (code == 0) return;
  // The pieces already reserved are somebody's memory.
  if (ftruncate(fd, 0) != 0) throwErrno("ftruncate", describeFd(fd));
  throw PosixError(code, "posix_fallocate", describeFd(fd));
}

FileSystem fileSystemOf(int fd) {
  struct statfs type;
  struct statvfs space;
  if (fstatfs(fd, &type) != 0) throwErrno("fstatfs", describeFd(fd));
  if (fstatvfs(fd, &space) != 0) throwErrno("fstatvfs", describeFd(fd));
  FileSystem result;
  result.typeMagic = static_cast<uint32_t>(type.f_type);
  result.freeBytes = uint64_t{space.f_bavail} * space.f_frsize;
  result.totalBytes = uint64_t{space.f_blocks} * space.f_frsize;
  result.executable = (space.f_flag & ST_NOEXEC) == 0;
  const bool memory = result.typeMagic == TMPFS_MAGIC || result.typeMagic == RAMFS_MAGIC;
  if (memory && space.f_blocks == 0) {
    // Mounted without a limit, these say 0: what they can take is what the machine has.
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    result.freeBytes = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
    result.totalBytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
  }
  return result;
}

}  // namespace walla
