#pragma once

#include <atomic>
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
  /// To be called with the size of each file that is served. Every few megabytes the pages touched
  /// so far are taken out of this process's memory: they stay in the node's, and come back when
  /// they are read again. Schedulers that add up the processes of a node count them once each.
  void served(uint64_t bytes) const noexcept;

 private:
  explicit MappedImage(Mapping mapping);
  static Index locateIndex(const Mapping& mapping);

  Mapping mapping_;
  Index index_;
  mutable std::atomic<uint64_t> served_{0};
};

}  // namespace walla
