// What open is asked for.
#pragma once

#include <fcntl.h>

namespace walla::collfs {

/// Flags of an open that is collective: it only reads.
inline bool onlyReads(int flags) {
  // As the kernel of x86 knows it; to programs of 64 bits it is 0.
  constexpr int kLargeFile = 0100000;
  constexpr int kHarmless = O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY | O_NOCTTY | O_NONBLOCK |
                            O_NOATIME | O_LARGEFILE | kLargeFile;
  return (flags & ~kHarmless) == O_RDONLY;
}

/// With O_CREAT or O_TMPFILE, open has a third argument.
inline bool takesMode(int flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

}  // namespace walla::collfs
