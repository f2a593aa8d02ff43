#pragma once

#include <cstdint>
#include <memory>

#include "index.h"

namespace walla {

/// The index of an archive that lies on a shared file system, read into memory of its own. Unlike a
/// mapping it costs a few large reads and not one for each page, and an archive that somebody cuts
/// off meanwhile is an error and not SIGBUS.
class StoredIndex {
 public:
  /// @param fd open archive; its position does not matter and stays
  /// @throws PosixError, ArchiveDamaged
  static StoredIndex read(int fd);

  const Index& index() const noexcept { return index_; }

 private:
  StoredIndex(std::unique_ptr<uint8_t[]> bytes, const Index& index);

  std::unique_ptr<uint8_t[]> bytes_;
  Index index_;
};

}  // namespace walla
