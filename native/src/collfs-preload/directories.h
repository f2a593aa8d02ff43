#pragma once

#include <dirent.h>

namespace walla::preload {

/// As opendir, of a name that starts from a descriptor: collective where opendir would be.
/// @param directoryFd AT_FDCWD or a descriptor
/// @returns a stream that closedir takes; null with errno
DIR* openDirectoryAt(int directoryFd, const char* path);

}  // namespace walla::preload
