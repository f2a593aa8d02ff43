#pragma once

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

// What the library interposes and passes on to: result, name, parameters. Each is looked up behind
// this library, so that another one that interposes it too is not left out.
#define COLLFS_LIBC_FUNCTIONS(F)                                               \
  F(int, open, (const char*, int, ...))                                        \
  F(int, open64, (const char*, int, ...))                                      \
  F(int, __open_2, (const char*, int))                                         \
  F(int, __open64_2, (const char*, int))                                       \
  F(int, openat, (int, const char*, int, ...))                                 \
  F(int, openat64, (int, const char*, int, ...))                               \
  F(int, __openat_2, (int, const char*, int))                                  \
  F(int, __openat64_2, (int, const char*, int))                                \
  F(FILE*, fopen, (const char*, const char*))                                  \
  F(FILE*, fopen64, (const char*, const char*))                                \
  F(FILE*, freopen, (const char*, const char*, FILE*))                         \
  F(FILE*, freopen64, (const char*, const char*, FILE*))                       \
  F(int, stat, (const char*, struct stat*))                                    \
  F(int, stat64, (const char*, struct stat*))                                  \
  F(int, lstat, (const char*, struct stat*))                                   \
  F(int, lstat64, (const char*, struct stat*))                                 \
  F(int, fstat, (int, struct stat*))                                           \
  F(int, fstat64, (int, struct stat*))                                         \
  F(int, fstatat, (int, const char*, struct stat*, int))                       \
  F(int, fstatat64, (int, const char*, struct stat*, int))                     \
  F(int, __xstat, (int, const char*, struct stat*))                            \
  F(int, __xstat64, (int, const char*, struct stat*))                          \
  F(int, __lxstat, (int, const char*, struct stat*))                           \
  F(int, __lxstat64, (int, const char*, struct stat*))                         \
  F(int, __fxstat, (int, int, struct stat*))                                   \
  F(int, __fxstat64, (int, int, struct stat*))                                 \
  F(int, __fxstatat, (int, int, const char*, struct stat*, int))               \
  F(int, __fxstatat64, (int, int, const char*, struct stat*, int))             \
  F(int, statx, (int, const char*, int, unsigned, struct statx*))              \
  F(int, access, (const char*, int))                                           \
  F(int, eaccess, (const char*, int))                                          \
  F(int, euidaccess, (const char*, int))                                       \
  F(int, faccessat, (int, const char*, int, int))                              \
  F(ssize_t, readlink, (const char*, char*, size_t))                           \
  F(ssize_t, readlinkat, (int, const char*, char*, size_t))                    \
  F(ssize_t, __readlink_chk, (const char*, char*, size_t, size_t))             \
  F(ssize_t, __readlinkat_chk, (int, const char*, char*, size_t, size_t))      \
  F(char*, realpath, (const char*, char*))                                     \
  F(char*, __realpath_chk, (const char*, char*, size_t))                       \
  F(char*, canonicalize_file_name, (const char*))                              \
  F(DIR*, opendir, (const char*))                                              \
  F(DIR*, fdopendir, (int))                                                    \
  F(struct dirent*, readdir, (DIR*))                                           \
  F(struct dirent*, readdir64, (DIR*))                                         \
  F(int, readdir_r, (DIR*, struct dirent*, struct dirent**))                   \
  F(int, readdir64_r, (DIR*, struct dirent*, struct dirent**))                 \
  F(void, rewinddir, (DIR*))                                                   \
  F(void, seekdir, (DIR*, long))                                               \
  F(long, telldir, (DIR*))                                                     \
  F(int, dirfd, (DIR*))                                                        \
  F(int, closedir, (DIR*))                                                     \
  F(int, scandir, (const char*, struct dirent***, Filter*, Compare*))          \
  F(int, scandir64, (const char*, struct dirent***, Filter*, Compare*))        \
  F(int, scandirat, (int, const char*, struct dirent***, Filter*, Compare*))   \
  F(int, scandirat64, (int, const char*, struct dirent***, Filter*, Compare*)) \
  F(int, glob, (const char*, int, GlobError*, glob_t*))                        \
  F(int, glob64, (const char*, int, GlobError*, glob_t*))

namespace walla::preload {

/// What scandir and glob are given.
using Filter = int(const struct dirent*);
using Compare = int(const struct dirent**, const struct dirent**);
using GlobError = int(const char*, int);

struct LibcFunctions {
#define COLLFS_MEMBER(result, name, parameters) result(*name) parameters;
  COLLFS_LIBC_FUNCTIONS(COLLFS_MEMBER)
#undef COLLFS_MEMBER
};

/// Looked up when the library is loaded, or by the first call, if that is even earlier: so signal
/// handlers find them there. A function that libc does not have is one that says ENOSYS.
const LibcFunctions& libc();

}  // namespace walla::preload

static_assert(sizeof(off_t) == 8 && sizeof(ino_t) == 8 && sizeof(glob_t) == sizeof(glob64_t),
              "the functions with 64 in their names have the same types as those without");
