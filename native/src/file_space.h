#pragma once

#include <cstdint>

namespace walla {

/// Gives a file this size and reserves its blocks, so that a full tmpfs is an ENOSPC here and not a
/// SIGBUS later. A file that does not fit is left empty.
/// @throws PosixError
void reserve(int fd, uint64_t bytes);

struct FileSystem {
  uint64_t freeBytes;  // for this user
  uint64_t totalBytes;
  uint64_t typeMagic;  // f_type of statfs
  bool executable;     // programs may be mapped from it
};

/// What holds an open file or directory.
/// @throws PosixError
FileSystem fileSystemOf(int fd);

}  // namespace walla
