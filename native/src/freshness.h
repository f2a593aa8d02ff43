#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "index.h"

namespace walla {

struct Difference {
  enum class Reason { changed, added, removed };
  std::string path;  // relative to the root
  Reason reason;
};

struct Freshness {
  uint64_t compared = 0;
  std::vector<Difference> differences;  // sorted by path
};

struct FreshnessOptions {
  /// At most so many, where calls wait; fewer for a small tree, or one that is in memory.
  unsigned threads = 1;
  /// Stops when so many differences are found.
  uint64_t limit = 1;
  /// Links were packed as what they lead to (--preserve-symlinks).
  bool followLinks = false;
  /// Looks at lock files and package.json files alone.
  bool locksOnly = false;
  /// Leaves out node_modules and what is below: packed from a registry, not from the tree.
  bool exceptPackages = false;
  /// Leaves out directories that stand for zip files, and `__virtual__`: Yarn's Plug'n'Play.
  bool exceptZips = false;
  /// The archive that holds the index, for the content of files that something was done to since it
  /// was written; -1: their content is taken for the same. Stays open as long as the comparison.
  int archiveFd = -1;
};

/// Compares an index with the source tree by lstat, once for each entry, from several threads,
/// because each lstat of a shared file system is mostly waiting. Files: type, size, modification
/// time; and their content, where the change time is later than the archive's modification time: an
/// edit can restore a file's modification time, but a copy of a tree has new change times too.
/// Links: type and target text. Directories: type and modification time, and where that differs,
/// the listing by name and type; in directories that are not frozen only names count that can
/// change a resolution, and lock files. walla's own directory, `.walla`, never counts, nor does a
/// new
/// `.cache`, which runs of the program make.
/// @param abandoned ends the search early once it is true; null for never
/// @throws PosixError when the root cannot be opened, or the archive's time not be read
Freshness checkFresh(const Index& index, const std::string& root, const FreshnessOptions& options,
                     const std::atomic<bool>* abandoned = nullptr);

}  // namespace walla
