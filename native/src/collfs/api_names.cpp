// The functions of collfs.h on names and directories.

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "directory.h"
#include "names.h"
#include "open_files.h"
#include "opening.h"
#include "session.h"
#include "source.h"

using namespace walla::collfs;

namespace {

/// errno is `code`, unless that is 0.
int outcome(int code) {
  if (code == 0) return 0;
  errno = code;
  return -1;
}

/// The communicator that a call about a name is for; null if it is to go to libc.
/// @throws PosixError EFAULT without a name, as the kernel has it; and what collectiveLevel throws
Level* levelFor(Operation operation, const char* path) {
  Level* const level = collectiveLevel();
  if (path == nullptr) refuseName(level, operation, false);
  return level;
}

/// The file behind a descriptor of collfs, if that is what is asked about.
std::shared_ptr<const OpenFile> emptyPathOf(int directoryFd, const char* path, int flags) {
  if ((flags & AT_EMPTY_PATH) == 0 || path == nullptr || path[0] != '\0') return nullptr;
  return openFileOf(directoryFd);
}

int statusOf(Operation operation, int directoryFd, const char* path, struct stat* status,
             int flags) {
  return run(operation, path, -1, [&](Measure& measure) {
    if (const auto file = emptyPathOf(directoryFd, path, flags)) {
      measure.remembered();
      *status = toStat(file->status);
      return 0;
    }
    Level* const level = levelFor(operation, path);
    if (level == nullptr) return fstatat(directoryFd, path, status, flags);
    struct statx found {};
    const int code = askStatus(*level, measure, operation, placeOf(directoryFd, path), flags,
                               kMoreThanBasic, found);
    if (code == 0) *status = toStat(found);
    return outcome(code);
  });
}

collfs_dir* openDirectory(int directoryFd, const char* path) {
  return run(Operation::opendir, path, static_cast<collfs_dir*>(nullptr), [&](Measure& measure) {
    Level* const level = levelFor(Operation::opendir, path);
    Bytes listing;
    const int code = level == nullptr
                         ? readListing(directoryFd, path, listing)
                         : askListing(*level, measure, placeOf(directoryFd, path), listing);
    return outcome(code) == 0 ? new collfs_dir(std::move(listing)) : nullptr;
  });
}

/// Asks for many names, those of the communicator in rounds; `keep` takes what was found.
template <typename Keep>
ssize_t statMany(std::size_t count, const char* const* paths, int flags, int* errors, Keep keep) {
  return run(Operation::statMany, count > 0 ? paths[0] : nullptr, ssize_t{-1},
             [&](Measure& measure) -> ssize_t {
               Level* const level = collectiveLevel();
               if (std::find(paths, paths + count, nullptr) != paths + count) {
                 refuseName(level, Operation::statMany, false);
               }
               ssize_t good = 0;
               for (std::size_t done = 0; done < count;) {
                 if (level == nullptr) {
                   struct statx found {};
                   const bool there =
                       statx(AT_FDCWD, paths[done], flags, kMoreThanBasic, &found) == 0;
                   errors[done] = there ? 0 : errno;
                   if (there) {
                     keep(done, found);
                     ++good;
                   }
                   ++done;
                   continue;
                 }
                 measure.communicated();
                 const std::size_t some = std::min(count - done, kOpenedAtOnce);
                 std::vector<Place> places;
                 for (std::size_t i = 0; i < some; ++i) {
                   places.push_back(placeOf(AT_FDCWD, paths[done + i]));
                 }
                 Call call{Operation::statMany, places[0].shown, flags};
                 call.more = hashOf(places);
                 call.names = some;
                 for (const NameStatus& found : askStatuses(*level, call, places, flags)) {
                   errors[done] = found.errorNumber;
                   if (found.errorNumber == 0) {
                     keep(done, found.status);
                     ++good;
                   }
                   ++done;
                 }
               }
               return good;
             });
}

}  // namespace

extern "C" {

int collfs_stat(const char* path, struct stat* status) {
  return statusOf(Operation::stat, AT_FDCWD, path, status, 0);
}

int collfs_lstat(const char* path, struct stat* status) {
  return statusOf(Operation::lstat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

int collfs_fstatat(int dirfd, const char* path, struct stat* status, int flags) {
  return statusOf(Operation::stat, dirfd, path, status, flags);
}

int collfs_statx(int dirfd, const char* path, int flags, unsigned mask, struct statx* status) {
  return run(Operation::statx, path, -1, [&](Measure& measure) {
    if (const auto file = emptyPathOf(dirfd, path, flags)) {
      measure.remembered();
      *status = file->status;
      return 0;
    }
    Level* const level = levelFor(Operation::statx, path);
    if (level == nullptr) return statx(dirfd, path, flags, mask, status);
    return outcome(
        askStatus(*level, measure, Operation::statx, placeOf(dirfd, path), flags, mask, *status));
  });
}

int collfs_access(const char* path, int mode) { return collfs_faccessat(AT_FDCWD, path, mode, 0); }

int collfs_faccessat(int dirfd, const char* path, int mode, int flags) {
  return run(Operation::access, path, -1, [&](Measure& measure) {
    Level* const level = levelFor(Operation::access, path);
    if (level == nullptr) return faccessat(dirfd, path, mode, flags);
    return outcome(askAccess(*level, measure, placeOf(dirfd, path), mode, flags));
  });
}

ssize_t collfs_readlink(const char* path, char* buffer, size_t bytes) {
  return collfs_readlinkat(AT_FDCWD, path, buffer, bytes);
}

ssize_t collfs_readlinkat(int dirfd, const char* path, char* buffer, size_t bytes) {
  return run(Operation::readlink, path, ssize_t{-1}, [&](Measure& measure) -> ssize_t {
    Level* const level = levelFor(Operation::readlink, path);
    if (level == nullptr) return readlinkat(dirfd, path, buffer, bytes);
    std::string target;
    const int code = askLink(*level, measure, placeOf(dirfd, path), target);
    // As readlink: no room for anything is an error, too little room is not.
    if (outcome(code == 0 && bytes == 0 ? EINVAL : code) != 0) return -1;
    const std::size_t kept = std::min(bytes, target.size());
    std::memcpy(buffer, target.data(), kept);
    return static_cast<ssize_t>(kept);
  });
}

char* collfs_realpath(const char* path, char* resolved) {
  return run(Operation::realpath, path, static_cast<char*>(nullptr), [&](Measure& measure) {
    Level* const level = collectiveLevel();
    // As libc's.
    if (path == nullptr) refuseName(level, Operation::realpath, false, EINVAL);
    if (level == nullptr) return realpath(path, resolved);
    std::string found;
    if (outcome(askRealPath(*level, measure, placeOf(AT_FDCWD, path), found)) != 0) {
      return static_cast<char*>(nullptr);
    }
    char* const target = resolved != nullptr ? resolved : static_cast<char*>(malloc(PATH_MAX));
    if (target != nullptr) std::memcpy(target, found.c_str(), found.size() + 1);
    return target;
  });
}

ssize_t collfs_stat_many(size_t count, const char* const* paths, int flags, struct stat* statuses,
                         int* errors) {
  return statMany(
      count, paths, flags, errors,
      [statuses](std::size_t i, const struct statx& found) { statuses[i] = toStat(found); });
}

ssize_t collfs_statx_many(size_t count, const char* const* paths, int flags, struct statx* statuses,
                          int* errors) {
  return statMany(count, paths, flags, errors,
                  [statuses](std::size_t i, const struct statx& found) { statuses[i] = found; });
}

collfs_dir* collfs_opendir(const char* path) { return openDirectory(AT_FDCWD, path); }

collfs_dir* collfs_fdopendir(int fd) {
  collfs_dir* const directory = openDirectory(fd, ".");
  if (directory != nullptr) collfs_close(fd);
  return directory;
}

struct dirent* collfs_readdir(collfs_dir* directory) {
  return directory->next();
}

void collfs_rewinddir(collfs_dir* directory) { directory->rewind(); }

int collfs_closedir(collfs_dir* directory) {
  delete directory;
  return 0;
}

}  // extern "C"
