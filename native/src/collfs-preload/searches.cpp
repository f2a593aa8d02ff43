// scandir, scandirat and glob: libc's own open directories where nothing can take their place, so
// these do it by the functions that this library has taken over.
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "directories.h"
#include "interpose.h"
#include "libc_functions.h"
#include "shadowing.h"

using namespace walla::preload;

namespace {

/// Entries as scandir returns them, until they are handed over.
class Entries {
 public:
  Entries() = default;
  Entries(const Entries&) = delete;
  Entries& operator=(const Entries&) = delete;
  ~Entries() {
    for (std::size_t i = 0; i < count_; ++i) free(entries_[i]);
    free(entries_);
  }

  bool add(const dirent& entry) {
    if (count_ == room_) {
      const std::size_t room = room_ == 0 ? 64 : 2 * room_;
      void* const larger = realloc(entries_, room * sizeof *entries_);
      if (larger == nullptr) return false;
      entries_ = static_cast<dirent**>(larger);
      room_ = room;
    }
    const std::size_t bytes = offsetof(dirent, d_name) + strlen(entry.d_name) + 1;
    auto* const copy = static_cast<dirent*>(malloc(bytes));
    if (copy == nullptr) return false;
    memcpy(copy, &entry, bytes);
    copy->d_reclen = static_cast<unsigned short>(bytes);
    entries_[count_++] = copy;
    return true;
  }

  /// @returns how many there are
  int handOver(dirent*** list, Compare* compare) {
    if (compare != nullptr && count_ > 1) {
      qsort(entries_, count_, sizeof *entries_,
            reinterpret_cast<int (*)(const void*, const void*)>(compare));
    }
    const auto count = static_cast<int>(count_);
    *list = entries_;
    entries_ = nullptr;
    count_ = 0;
    return count;
  }

 private:
  dirent** entries_ = nullptr;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

template <typename Libc>
int scan(int directoryFd, const char* path, dirent*** list, Filter* filter, Compare* compare,
         Libc libcScan) {
  if (!mayBeShadowed(path)) return libcScan();
  DIR* const directory = openDirectoryAt(directoryFd, path);
  if (directory == nullptr) return -1;
  Entries entries;
  bool good = true;
  errno = 0;
  while (const dirent* const entry = good ? readdir(directory) : nullptr) {
    if (filter == nullptr || filter(entry) != 0) good = entries.add(*entry);
    errno = 0;
  }
  const int code = good ? errno : ENOMEM;
  closedir(directory);
  errno = code;
  return code == 0 ? entries.handOver(list, compare) : -1;
}

template <typename Libc>
int search(int flags, glob_t* found, Libc libcGlob) {
  // A program's own directories are not the file system's.
  if (!isShadowing() || (flags & GLOB_ALTDIRFUNC) != 0) return libcGlob(flags);
  const glob_t before = *found;
  found->gl_opendir = [](const char* path) -> void* { return opendir(path); };
  found->gl_readdir = [](void* directory) { return readdir(static_cast<DIR*>(directory)); };
  found->gl_closedir = [](void* directory) { closedir(static_cast<DIR*>(directory)); };
  found->gl_lstat = lstat;
  found->gl_stat = stat;
  const int result = libcGlob(flags | GLOB_ALTDIRFUNC);
  found->gl_flags &= ~GLOB_ALTDIRFUNC;
  found->gl_opendir = before.gl_opendir;
  found->gl_readdir = before.gl_readdir;
  found->gl_closedir = before.gl_closedir;
  found->gl_lstat = before.gl_lstat;
  found->gl_stat = before.gl_stat;
  return result;
}

}  // namespace

COLLFS_INTERPOSE(int, scandir,
                 (const char* path, struct dirent*** list, Filter* filter, Compare* compare)) {
  return scan(AT_FDCWD, path, list, filter, compare,
              [=] { return libc().scandir(path, list, filter, compare); });
}

COLLFS_INTERPOSE(int, scandir64,
                 (const char* path, struct dirent*** list, Filter* filter, Compare* compare)) {
  return scan(AT_FDCWD, path, list, filter, compare,
              [=] { return libc().scandir64(path, list, filter, compare); });
}

COLLFS_INTERPOSE(int, scandirat,
                 (int directoryFd, const char* path, struct dirent*** list, Filter* filter,
                  Compare* compare)) {
  return scan(directoryFd, path, list, filter, compare,
              [=] { return libc().scandirat(directoryFd, path, list, filter, compare); });
}

COLLFS_INTERPOSE(int, scandirat64,
                 (int directoryFd, const char* path, struct dirent*** list, Filter* filter,
                  Compare* compare)) {
  return scan(directoryFd, path, list, filter, compare,
              [=] { return libc().scandirat64(directoryFd, path, list, filter, compare); });
}

COLLFS_INTERPOSE(int, glob, (const char* pattern, int flags, GlobError* failed, glob_t* found)) {
  return search(flags, found, [=](int all) { return libc().glob(pattern, all, failed, found); });
}

COLLFS_INTERPOSE(int, glob64, (const char* pattern, int flags, GlobError* failed, glob_t* found)) {
  return search(flags, found, [=](int all) { return libc().glob64(pattern, all, failed, found); });
}
