// open and fopen, by all their names.
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cstring>

#include "../collfs/open_flags.h"
#include "interpose.h"
#include "libc_functions.h"
#include "shadowing.h"

using namespace walla::preload;
namespace shadow = walla::shadow;
using walla::collfs::onlyReads;
using walla::collfs::takesMode;

namespace {

/// A descriptor of a directory is the kernel's own: all that takes one works.
bool isForRoot(int flags) { return onlyReads(flags) && (flags & O_DIRECTORY) == 0; }

/// @returns a descriptor; -1 with root's errno; or kForLibc
constexpr int kForLibc = -2;
int openAtRoot(const char* name, int flags) {
  const int fd = collfs.collfs_open(name, flags);
  if (fd < 0) return -1;
  struct stat status;
  if (collfs.collfs_fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    collfs.collfs_close(fd);
    return kForLibc;
  }
  noteShared(fd);
  return fd;
}

template <typename Libc>
int openShadowed(int directoryFd, const char* path, int flags, Libc libcOpen) {
  if (!isForRoot(flags)) return libcOpen();
  const int fd = rootOrLibc<int>(
      directoryFd, path, [flags](const char* name) { return openAtRoot(name, flags); }, libcOpen);
  return fd == kForLibc ? libcOpen() : fd;
}

/// Modes that only read, of those libc knows: the others are rare.
bool readsStream(const char* mode) {
  return mode != nullptr && mode[0] == 'r' && strspn(mode + 1, "bcem") == strlen(mode + 1);
}

template <typename Libc>
FILE* openStream(const char* path, const char* mode, Libc libcOpen) {
  if (!readsStream(mode)) return libcOpen();
  return rootOrLibc<FILE*>(
      AT_FDCWD, path,
      [&](const char* name) -> FILE* {
        const int flags = O_RDONLY | (strchr(mode, 'e') != nullptr ? O_CLOEXEC : 0);
        const int fd = openAtRoot(name, flags);
        if (fd == kForLibc) return libcOpen();
        if (fd < 0) return nullptr;
        FILE* const stream = fdopen(fd, mode);
        if (stream == nullptr) collfs.collfs_close(fd);
        return stream;
      },
      libcOpen);
}

template <typename Libc>
FILE* reopenStream(const char* path, const char* mode, FILE* stream, Libc libcReopen) {
  if (!readsStream(mode)) return libcReopen(path);
  bool isForLibc = false;
  const int fd = rootOrLibc<int>(
      AT_FDCWD, path, [](const char* name) { return openAtRoot(name, O_RDONLY | O_CLOEXEC); },
      [&isForLibc] {
        isForLibc = true;
        return -1;
      });
  if (isForLibc || fd == kForLibc) return libcReopen(path);
  if (fd < 0) {
    // As libc has it: the stream is closed whatever happens.
    const int code = errno;
    fclose(stream);
    errno = code;
    return nullptr;
  }
  // A stream cannot be given a descriptor, only a name.
  char copy[32];
  snprintf(copy, sizeof copy, "/proc/self/fd/%d", fd);
  FILE* const reopened = libcReopen(copy);
  const int code = errno;
  noteUnshared(fd);
  collfs.collfs_close(fd);
  errno = code;
  return reopened;
}

/// The third argument of open, where there is one.
#define COLLFS_MODE(mode, flags)                             \
  mode_t mode = 0;                                           \
  if (takesMode(flags)) {                                    \
    va_list arguments;                                       \
    va_start(arguments, flags);                              \
    mode = static_cast<mode_t>(va_arg(arguments, unsigned)); \
    va_end(arguments);                                       \
  }

}  // namespace

COLLFS_INTERPOSE(int, open, (const char* path, int flags, ...)) {
  COLLFS_MODE(mode, flags)
  return openShadowed(AT_FDCWD, path, flags, [=] { return libc().open(path, flags, mode); });
}

COLLFS_INTERPOSE(int, open64, (const char* path, int flags, ...)) {
  COLLFS_MODE(mode, flags)
  return openShadowed(AT_FDCWD, path, flags, [=] { return libc().open64(path, flags, mode); });
}

COLLFS_INTERPOSE(int, openat, (int directoryFd, const char* path, int flags, ...)) {
  COLLFS_MODE(mode, flags)
  return openShadowed(directoryFd, path, flags,
                      [=] { return libc().openat(directoryFd, path, flags, mode); });
}

COLLFS_INTERPOSE(int, openat64, (int directoryFd, const char* path, int flags, ...)) {
  COLLFS_MODE(mode, flags)
  return openShadowed(directoryFd, path, flags,
                      [=] { return libc().openat64(directoryFd, path, flags, mode); });
}

// Of fortified programs:

COLLFS_INTERPOSE(int, __open_2, (const char* path, int flags)) {
  return openShadowed(AT_FDCWD, path, flags, [=] { return libc().__open_2(path, flags); });
}

COLLFS_INTERPOSE(int, __open64_2, (const char* path, int flags)) {
  return openShadowed(AT_FDCWD, path, flags, [=] { return libc().__open64_2(path, flags); });
}

COLLFS_INTERPOSE(int, __openat_2, (int directoryFd, const char* path, int flags)) {
  return openShadowed(directoryFd, path, flags,
                      [=] { return libc().__openat_2(directoryFd, path, flags); });
}

COLLFS_INTERPOSE(int, __openat64_2, (int directoryFd, const char* path, int flags)) {
  return openShadowed(directoryFd, path, flags,
                      [=] { return libc().__openat64_2(directoryFd, path, flags); });
}

COLLFS_INTERPOSE(FILE*, fopen, (const char* path, const char* mode)) {
  return openStream(path, mode, [=] { return libc().fopen(path, mode); });
}

COLLFS_INTERPOSE(FILE*, fopen64, (const char* path, const char* mode)) {
  return openStream(path, mode, [=] { return libc().fopen64(path, mode); });
}

COLLFS_INTERPOSE(FILE*, freopen, (const char* path, const char* mode, FILE* stream)) {
  return reopenStream(path, mode, stream,
                      [=](const char* name) { return libc().freopen(name, mode, stream); });
}

COLLFS_INTERPOSE(FILE*, freopen64, (const char* path, const char* mode, FILE* stream)) {
  return reopenStream(path, mode, stream,
                      [=](const char* name) { return libc().freopen64(name, mode, stream); });
}
