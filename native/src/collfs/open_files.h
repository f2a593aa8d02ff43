// What collfs knows of the descriptors it has given out. Any thread.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>

namespace walla::collfs {

struct OpenFile {
  struct statx status {};
  /// As passed to open by all ranks,
  std::string path;
  /// and, on root, from the root directory, for calls relative to it.
  std::string absolute;
  bool directory = false;
};

/// From now on `fd` is this file. @throws std::bad_alloc
void remember(int fd, OpenFile file);

/// Null if the descriptor is not of collfs, or no longer: a program may close it, or give its
/// number to another file, without collfs.
std::shared_ptr<const OpenFile> openFileOf(int fd);

void forget(int fd);

}  // namespace walla::collfs
