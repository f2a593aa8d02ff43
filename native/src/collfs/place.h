#pragma once

#include <string>

namespace walla::collfs {

/// A name as a call was given it.
struct Place {
  /// The same on all ranks of one call.
  std::string shown;
  /// What root passes to the kernel.
  int directoryFd;
  std::string path;
  /// Answers about it can be remembered: it means the same wherever a process stands.
  bool fixed;
};

/// @param directoryFd AT_FDCWD, a directory of collfs, or any descriptor of root
Place placeOf(int directoryFd, const char* path);

/// The place from the root directory, for names relative to it; "" if it cannot be told.
std::string absoluteOf(const Place& place);

}  // namespace walla::collfs
