// The functions of collfs.h on files and descriptors.

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "names.h"
#include "open_files.h"
#include "open_flags.h"
#include "opening.h"
#include "session.h"
#include "source.h"

using namespace walla::collfs;

namespace {

int openOne(Operation operation, int directoryFd, const char* path, int flags, mode_t mode) {
  return run(operation, path, -1, [&](Measure& measure) {
    Level* const level = onlyReads(flags) ? collectiveLevel() : nullptr;
    if (path == nullptr) refuseName(level, operation, true);
    if (level == nullptr) return openat(directoryFd, path, flags, mode);
    const Place place = placeOf(directoryFd, path);
    if (level->remembered().on() && place.fixed && level->remembered().absent(place.shown)) {
      measure.remembered();
      errno = ENOENT;
      return -1;
    }
    measure.communicated();
    // Close-on-exec is each rank's own affair.
    const Call call{operation, place.shown, flags & ~O_CLOEXEC};
    trace(*level, call);
    const Opened opened = openAll(*level, call, {place}, flags)[0];
    rememberOpened(*level, place, opened.errorNumber);
    if (opened.fd < 0) {
      errno = opened.errorNumber;
    } else {
      measure.addBytes(opened.bytes);
    }
    return opened.fd;
  });
}

std::size_t openBatch(Level& level, Measure& measure, std::size_t count, const char* const* paths,
                      int flags, int* fds, int* errors) {
  std::vector<Place> places;
  for (std::size_t i = 0; i < count; ++i) places.push_back(placeOf(AT_FDCWD, paths[i]));
  Call call{Operation::openMany, places[0].shown, flags & ~O_CLOEXEC};
  call.more = hashOf(places);
  call.names = count;
  trace(level, call);
  const auto opened = openAll(level, call, places, flags);
  std::size_t good = 0;
  for (std::size_t i = 0; i < count; ++i) {
    fds[i] = opened[i].fd;
    errors[i] = opened[i].errorNumber;
    rememberOpened(level, places[i], errors[i]);
    if (fds[i] >= 0) ++good;
    measure.addBytes(opened[i].bytes);
  }
  return good;
}

ssize_t counted(Measure& measure, ssize_t result) {
  if (result > 0) measure.addBytes(static_cast<std::uint64_t>(result));
  return result;
}

}  // namespace

extern "C" {

int collfs_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (takesMode(flags)) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  return openOne(Operation::open, AT_FDCWD, path, flags, mode);
}

int collfs_openat(int dirfd, const char* path, int flags, ...) {
  mode_t mode = 0;
  if (takesMode(flags)) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  return openOne(Operation::open, dirfd, path, flags, mode);
}

ssize_t collfs_open_many(size_t count, const char* const* paths, int flags, int* fds, int* errors) {
  return run(Operation::openMany, count > 0 ? paths[0] : nullptr, ssize_t{-1},
             [&](Measure& measure) -> ssize_t {
               Level* const level = collectiveLevel();
               if (!onlyReads(flags)) {
                 errno = EINVAL;
                 return -1;
               }
               if (std::find(paths, paths + count, nullptr) != paths + count) {
                 refuseName(level, Operation::openMany, true);
               }
               if (level != nullptr) measure.communicated();
               std::size_t done = 0;
               ssize_t good = 0;
               try {
                 while (done < count) {
                   const std::size_t some =
                       level == nullptr ? 1 : std::min(count - done, kOpenedAtOnce);
                   if (level != nullptr) {
                     good += static_cast<ssize_t>(openBatch(*level, measure, some, paths + done,
                                                            flags, fds + done, errors + done));
                   } else {
                     fds[done] = open(paths[done], flags);
                     errors[done] = fds[done] < 0 ? errno : 0;
                     if (fds[done] >= 0) ++good;
                   }
                   done += some;
                 }
               } catch (...) {
                 for (std::size_t i = 0; i < done; ++i) {
                   if (fds[i] >= 0) collfs_close(fds[i]);
                 }
                 throw;
               }
               return good;
             });
}

int collfs_close(int fd) {
  return run(Operation::close, nullptr, -1, [&](Measure&) {
    forget(fd);
    return close(fd);
  });
}

ssize_t collfs_read(int fd, void* buffer, size_t bytes) {
  return run(Operation::read, nullptr, ssize_t{-1},
             [&](Measure& measure) { return counted(measure, read(fd, buffer, bytes)); });
}

ssize_t collfs_pread(int fd, void* buffer, size_t bytes, off_t offset) {
  return run(Operation::pread, nullptr, ssize_t{-1},
             [&](Measure& measure) { return counted(measure, pread(fd, buffer, bytes, offset)); });
}

ssize_t collfs_readv(int fd, const struct iovec* parts, int count) {
  return run(Operation::readv, nullptr, ssize_t{-1},
             [&](Measure& measure) { return counted(measure, readv(fd, parts, count)); });
}

off_t collfs_lseek(int fd, off_t offset, int whence) {
  return run(Operation::lseek, nullptr, off_t{-1},
             [&](Measure&) { return lseek(fd, offset, whence); });
}

void* collfs_mmap(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
  return run(Operation::mmap, nullptr, MAP_FAILED, [&](Measure& measure) {
    void* const mapping = mmap(address, bytes, protection, flags, fd, offset);
    if (mapping != MAP_FAILED) measure.addBytes(bytes);
    return mapping;
  });
}

int collfs_munmap(void* address, size_t bytes) {
  return run(Operation::munmap, nullptr, -1, [&](Measure&) { return munmap(address, bytes); });
}

int collfs_fstat(int fd, struct stat* status) {
  return run(Operation::fstat, nullptr, -1, [&](Measure& measure) {
    const auto file = openFileOf(fd);
    if (file == nullptr) return fstat(fd, status);
    measure.remembered();
    *status = toStat(file->status);
    return 0;
  });
}

int collfs_is_shared(int fd) { return openFileOf(fd) != nullptr ? 1 : 0; }

FILE* collfs_fopen(const char* path, const char* mode) {
  const bool reads = mode[0] == 'r' && std::strspn(mode + 1, "bem") == std::strlen(mode + 1);
  if (!reads || collfs_depth() == 0) {
    return run(Operation::fopen, path, static_cast<FILE*>(nullptr),
               [&](Measure&) { return fopen(path, mode); });
  }
  const int flags = O_RDONLY | (std::strchr(mode, 'e') != nullptr ? O_CLOEXEC : 0);
  const int fd = openOne(Operation::fopen, AT_FDCWD, path, flags, 0);
  if (fd < 0) return nullptr;
  FILE* const file = fdopen(fd, mode);
  if (file == nullptr) collfs_close(fd);
  return file;
}

}  // extern "C"
