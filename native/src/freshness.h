#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mapped_image.h"

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

/// Compares the image's entries with the source tree by lstat, from several threads, because each
/// lstat of a shared file system is mostly waiting. Files: type, size, modification time. Links:
/// type and target text. Directories: type and modification time, and where that differs, the
/// listing by name and type; in directories that are not frozen only names count that can change a
/// resolution. walla's own directory, `.walla`, never counts.
/// @param limit stops when so many differences are found
/// @throws PosixError when the root cannot be opened
Freshness checkFresh(const MappedImage& image, const std::string& root, unsigned threads,
                     uint64_t limit);

}  // namespace walla
