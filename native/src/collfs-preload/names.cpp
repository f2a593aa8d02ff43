// access, readlink and realpath, by all their names.
#include <fcntl.h>
#include <limits.h>

#include "interpose.h"
#include "libc_functions.h"
#include "shadowing.h"

using namespace walla::preload;

namespace {

template <typename Libc>
int accessOf(int directoryFd, const char* path, int mode, int flags, Libc libcAccess) {
  return rootOrLibc<int>(
      directoryFd, path,
      [=](const char* name) { return collfs.collfs_faccessat(AT_FDCWD, name, mode, flags); },
      libcAccess);
}

template <typename Libc>
ssize_t linkOf(int directoryFd, const char* path, char* target, size_t bytes, Libc libcRead) {
  return rootOrLibc<ssize_t>(
      directoryFd, path,
      [=](const char* name) { return collfs.collfs_readlink(name, target, bytes); }, libcRead);
}

template <typename Libc>
char* realPathOf(const char* path, char* resolved, Libc libcResolve) {
  return rootOrLibc<char*>(
      AT_FDCWD, path, [=](const char* name) { return collfs.collfs_realpath(name, resolved); },
      libcResolve);
}

}  // namespace

COLLFS_INTERPOSE(int, access, (const char* path, int mode)) {
  return accessOf(AT_FDCWD, path, mode, 0, [=] { return libc().access(path, mode); });
}

COLLFS_INTERPOSE(int, eaccess, (const char* path, int mode)) {
  return accessOf(AT_FDCWD, path, mode, AT_EACCESS, [=] { return libc().eaccess(path, mode); });
}

COLLFS_INTERPOSE(int, euidaccess, (const char* path, int mode)) {
  return accessOf(AT_FDCWD, path, mode, AT_EACCESS, [=] { return libc().euidaccess(path, mode); });
}

COLLFS_INTERPOSE(int, faccessat, (int directoryFd, const char* path, int mode, int flags)) {
  return accessOf(directoryFd, path, mode, flags,
                  [=] { return libc().faccessat(directoryFd, path, mode, flags); });
}

COLLFS_INTERPOSE(ssize_t, readlink, (const char* path, char* target, size_t bytes)) {
  return linkOf(AT_FDCWD, path, target, bytes,
                [=] { return libc().readlink(path, target, bytes); });
}

COLLFS_INTERPOSE(ssize_t, readlinkat,
                 (int directoryFd, const char* path, char* target, size_t bytes)) {
  return linkOf(directoryFd, path, target, bytes,
                [=] { return libc().readlinkat(directoryFd, path, target, bytes); });
}

COLLFS_INTERPOSE(char*, realpath, (const char* path, char* resolved)) {
  return realPathOf(path, resolved, [=] { return libc().realpath(path, resolved); });
}

COLLFS_INTERPOSE(char*, canonicalize_file_name, (const char* path)) {
  return realPathOf(path, nullptr, [=] { return libc().canonicalize_file_name(path); });
}

// Of fortified programs, which know how large their buffers are. What would overflow is for libc,
// which ends the program.

COLLFS_INTERPOSE(ssize_t, __readlink_chk,
                 (const char* path, char* target, size_t bytes, size_t room)) {
  const auto libcRead = [=] { return libc().__readlink_chk(path, target, bytes, room); };
  return bytes > room ? libcRead() : linkOf(AT_FDCWD, path, target, bytes, libcRead);
}

COLLFS_INTERPOSE(ssize_t, __readlinkat_chk,
                 (int directoryFd, const char* path, char* target, size_t bytes, size_t room)) {
  const auto libcRead = [=] {
    return libc().__readlinkat_chk(directoryFd, path, target, bytes, room);
  };
  return bytes > room ? libcRead() : linkOf(directoryFd, path, target, bytes, libcRead);
}

COLLFS_INTERPOSE(char*, __realpath_chk, (const char* path, char* resolved, size_t room)) {
  const auto libcResolve = [=] { return libc().__realpath_chk(path, resolved, room); };
  return room < PATH_MAX ? libcResolve() : realPathOf(path, resolved, libcResolve);
}
