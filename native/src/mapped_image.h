#pragma once

#include <cstdint>

#include "index.h"
#include "mapping.h"

namespace walla {

/// A whole archive in memory. Made by open() only and never destroyed: JavaScript strings may point
/// into the mapping as long as the process lives.
class MappedImage {
 public:
  /// Maps the archive read-only and checks headers and index header. All threads of the process
  /// that open the same file share one mapping.
  /// @param fd may be closed afterwards
  /// @throws PosixError, ArchiveDamaged
  static const MappedImage& open(int fd);

  MappedImage(const MappedImage&) = delete;
  MappedImage& operator=(const MappedImage&) = delete;

  const Index& index() const noexcept { return index_; }
  uint64_t bytes() const noexcept { return mapping_.bytes(); }
  /// First byte of a file's content; entry.size bytes follow.
  const uint8_t* data(const Entry& entry) const noexcept {
    return mapping_.data() + entry.dataOffset;
  }

 private:
  explicit MappedImage(Mapping mapping);
  static Index locateIndex(const Mapping& mapping);

  Mapping mapping_;
  Index index_;
};

}  // namespace walla
