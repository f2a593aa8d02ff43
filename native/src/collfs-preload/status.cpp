// stat, by all its names.
#include <fcntl.h>

#include "interpose.h"
#include "libc_functions.h"
#include "shadowing.h"

using namespace walla::preload;

namespace {

template <typename Libc>
int statusOf(int directoryFd, const char* path, struct stat* status, int flags, Libc libcStat) {
  return rootOrLibc<int>(
      directoryFd, path,
      [=](const char* name) { return collfs.collfs_fstatat(AT_FDCWD, name, status, flags); },
      libcStat);
}

/// What root knew of a file when it opened it, and not what the copy is like.
/// @returns false if the descriptor is not of a collective open
template <typename Ask>
bool knownStatus(int fd, Ask ask) {
  if (!mayBeShared(fd)) return false;
  const CollectiveCall call;
  if (collfs.collfs_is_shared(fd) == 0) {
    noteUnshared(fd);
    return false;
  }
  return ask() == 0;
}

bool isOfDescriptor(const char* path, int flags) {
  return (flags & AT_EMPTY_PATH) != 0 && path != nullptr && path[0] == '\0';
}

template <typename Libc>
int statusOfFd(int fd, struct stat* status, Libc libcStat) {
  const bool known = knownStatus(fd, [=] { return collfs.collfs_fstat(fd, status); });
  return known ? 0 : libcStat();
}

template <typename Libc>
int statusAt(int fd, const char* path, struct stat* status, int flags, Libc libcStat) {
  if (isOfDescriptor(path, flags)) return statusOfFd(fd, status, libcStat);
  return statusOf(fd, path, status, flags, libcStat);
}

}  // namespace

COLLFS_INTERPOSE(int, stat, (const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, 0, [=] { return libc().stat(path, status); });
}

COLLFS_INTERPOSE(int, stat64, (const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, 0, [=] { return libc().stat64(path, status); });
}

COLLFS_INTERPOSE(int, lstat, (const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW,
                  [=] { return libc().lstat(path, status); });
}

COLLFS_INTERPOSE(int, lstat64, (const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW,
                  [=] { return libc().lstat64(path, status); });
}

COLLFS_INTERPOSE(int, fstat, (int fd, struct stat* status)) {
  return statusOfFd(fd, status, [=] { return libc().fstat(fd, status); });
}

COLLFS_INTERPOSE(int, fstat64, (int fd, struct stat* status)) {
  return statusOfFd(fd, status, [=] { return libc().fstat64(fd, status); });
}

COLLFS_INTERPOSE(int, fstatat, (int fd, const char* path, struct stat* status, int flags)) {
  return statusAt(fd, path, status, flags, [=] { return libc().fstatat(fd, path, status, flags); });
}

COLLFS_INTERPOSE(int, fstatat64, (int fd, const char* path, struct stat* status, int flags)) {
  return statusAt(fd, path, status, flags,
                  [=] { return libc().fstatat64(fd, path, status, flags); });
}

COLLFS_INTERPOSE(int, statx,
                 (int fd, const char* path, int flags, unsigned mask, struct statx* status)) {
  const auto libcStat = [=] { return libc().statx(fd, path, flags, mask, status); };
  if (isOfDescriptor(path, flags)) {
    const bool known =
        knownStatus(fd, [=] { return collfs.collfs_statx(fd, "", flags, mask, status); });
    return known ? 0 : libcStat();
  }
  return rootOrLibc<int>(
      fd, path,
      [=](const char* name) { return collfs.collfs_statx(AT_FDCWD, name, flags, mask, status); },
      libcStat);
}

// Of programs linked with a glibc before 2.33. The first argument says what the structure looks
// like; on 64-bit platforms there is one answer.

COLLFS_INTERPOSE(int, __xstat, (int version, const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, 0, [=] { return libc().__xstat(version, path, status); });
}

COLLFS_INTERPOSE(int, __xstat64, (int version, const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, 0,
                  [=] { return libc().__xstat64(version, path, status); });
}

COLLFS_INTERPOSE(int, __lxstat, (int version, const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW,
                  [=] { return libc().__lxstat(version, path, status); });
}

COLLFS_INTERPOSE(int, __lxstat64, (int version, const char* path, struct stat* status)) {
  return statusOf(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW,
                  [=] { return libc().__lxstat64(version, path, status); });
}

COLLFS_INTERPOSE(int, __fxstat, (int version, int fd, struct stat* status)) {
  return statusOfFd(fd, status, [=] { return libc().__fxstat(version, fd, status); });
}

COLLFS_INTERPOSE(int, __fxstat64, (int version, int fd, struct stat* status)) {
  return statusOfFd(fd, status, [=] { return libc().__fxstat64(version, fd, status); });
}

COLLFS_INTERPOSE(int, __fxstatat,
                 (int version, int fd, const char* path, struct stat* status, int flags)) {
  return statusAt(fd, path, status, flags,
                  [=] { return libc().__fxstatat(version, fd, path, status, flags); });
}

COLLFS_INTERPOSE(int, __fxstatat64,
                 (int version, int fd, const char* path, struct stat* status, int flags)) {
  return statusAt(fd, path, status, flags,
                  [=] { return libc().__fxstatat64(version, fd, path, status, flags); });
}
