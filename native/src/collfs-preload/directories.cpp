// opendir, readdir and all that takes a DIR.
//
// A listing that root has read is none of libc's, which knows the insides of its own only; so every
// function that is given a DIR looks first whether it is one of these.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>

#include "directories.h"
#include "interpose.h"
#include "libc_functions.h"
#include "shadowing.h"

using namespace walla::preload;

namespace {

struct Directory {
  collfs_dir* listing;
  /// Of the directory itself, once somebody needs one. Owned.
  int fd;
  /// Entries read.
  long position;
  char path[];
};

// No lock: one that a fork or a signal finds taken would stay so. More directories at a time are
// libc's.
constexpr std::size_t kMost = 256;
std::atomic<Directory*> directories[kMost];

Directory* directoryOf(DIR* stream) {
  auto* const wanted = reinterpret_cast<Directory*>(stream);
  if (wanted == nullptr) return nullptr;
  for (const auto& one : directories) {
    if (one.load(std::memory_order_acquire) == wanted) return wanted;
  }
  return nullptr;
}

bool replace(Directory* from, Directory* to) {
  for (auto& one : directories) {
    Directory* expected = from;
    if (one.compare_exchange_strong(expected, to)) return true;
  }
  return false;
}

void destroy(Directory* directory) {
  collfs.collfs_closedir(directory->listing);
  free(directory);
}

/// @param fd of the directory, owned by the result; or -1
/// @param isForLibc set when there is a listing, but no room for it
DIR* listAtRoot(const char* name, int fd, bool& isForLibc) {
  collfs_dir* const listing = collfs.collfs_opendir(name);
  if (listing == nullptr) return nullptr;
  const std::size_t bytes = strlen(name) + 1;
  auto* const directory = static_cast<Directory*>(malloc(sizeof(Directory) + bytes));
  isForLibc = directory == nullptr;
  if (directory == nullptr) {
    collfs.collfs_closedir(listing);
    return nullptr;
  }
  directory->listing = listing;
  directory->fd = fd;
  directory->position = 0;
  memcpy(directory->path, name, bytes);
  if (replace(nullptr, directory)) return reinterpret_cast<DIR*>(directory);
  isForLibc = true;
  destroy(directory);
  return nullptr;
}

template <typename Libc>
DIR* openDirectory(int directoryFd, const char* path, int owned, Libc libcOpen) {
  bool isForLibc = false;
  DIR* const stream = rootOrLibc<DIR*>(
      directoryFd, path, [&](const char* name) { return listAtRoot(name, owned, isForLibc); },
      libcOpen);
  return isForLibc ? libcOpen() : stream;
}

dirent* next(Directory* directory) {
  dirent* const entry = collfs.collfs_readdir(directory->listing);
  if (entry != nullptr) ++directory->position;
  return entry;
}

void goTo(Directory* directory, long position) {
  collfs.collfs_rewinddir(directory->listing);
  directory->position = 0;
  while (directory->position < position && next(directory) != nullptr) {
  }
}

int nextInto(Directory* directory, dirent* entry, dirent** result) {
  const dirent* const found = next(directory);
  if (found != nullptr) *entry = *found;
  *result = found == nullptr ? nullptr : entry;
  return 0;
}

}  // namespace

namespace walla::preload {

DIR* openDirectoryAt(int directoryFd, const char* path) {
  return openDirectory(directoryFd, path, -1, [=]() -> DIR* {
    const int fd = libc().openat(directoryFd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return nullptr;
    DIR* const stream = libc().fdopendir(fd);
    if (stream == nullptr) close(fd);
    return stream;
  });
}

}  // namespace walla::preload

COLLFS_INTERPOSE(DIR*, opendir, (const char* path)) {
  return openDirectory(AT_FDCWD, path, -1, [=] { return libc().opendir(path); });
}

COLLFS_INTERPOSE(DIR*, fdopendir, (int fd)) {
  // By its name: the descriptors of ranks are their own.
  return openDirectory(fd, ".", fd, [=] { return libc().fdopendir(fd); });
}

COLLFS_INTERPOSE(struct dirent*, readdir, (DIR * stream)) {
  Directory* const directory = directoryOf(stream);
  return directory != nullptr ? next(directory) : libc().readdir(stream);
}

COLLFS_INTERPOSE(struct dirent*, readdir64, (DIR * stream)) {
  Directory* const directory = directoryOf(stream);
  return directory != nullptr ? next(directory) : libc().readdir64(stream);
}

COLLFS_INTERPOSE(int, readdir_r, (DIR * stream, struct dirent* entry, struct dirent** result)) {
  Directory* const directory = directoryOf(stream);
  return directory != nullptr ? nextInto(directory, entry, result)
                              : libc().readdir_r(stream, entry, result);
}

COLLFS_INTERPOSE(int, readdir64_r, (DIR * stream, struct dirent* entry, struct dirent** result)) {
  Directory* const directory = directoryOf(stream);
  return directory != nullptr ? nextInto(directory, entry, result)
                              : libc().readdir64_r(stream, entry, result);
}

COLLFS_INTERPOSE(void, rewinddir, (DIR * stream)) {
  Directory* const directory = directoryOf(stream);
  if (directory == nullptr) return libc().rewinddir(stream);
  goTo(directory, 0);
}

COLLFS_INTERPOSE(void, seekdir, (DIR * stream, long position)) {
  Directory* const directory = directoryOf(stream);
  if (directory == nullptr) return libc().seekdir(stream, position);
  goTo(directory, position);
}

COLLFS_INTERPOSE(long, telldir, (DIR * stream)) {
  Directory* const directory = directoryOf(stream);
  return directory != nullptr ? directory->position : libc().telldir(stream);
}

COLLFS_INTERPOSE(int, dirfd, (DIR * stream)) {
  Directory* const directory = directoryOf(stream);
  if (directory == nullptr) return libc().dirfd(stream);
  if (directory->fd < 0) {
    directory->fd = libc().open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  }
  return directory->fd;
}

COLLFS_INTERPOSE(int, closedir, (DIR * stream)) {
  Directory* const directory = directoryOf(stream);
  if (directory == nullptr) return libc().closedir(stream);
  replace(directory, nullptr);
  const int result = directory->fd < 0 ? 0 : close(directory->fd);
  destroy(directory);
  return result;
}
