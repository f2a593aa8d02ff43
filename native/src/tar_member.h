#pragma once

#include <cstdint>

namespace walla {

/// Where a member's data lies in an image.
struct TarMember {
  uint64_t dataOffset = 0;
  uint64_t bytes = 0;

  /// Offset of the header that follows.
  uint64_t end() const noexcept { return dataOffset + (bytes + 511) / 512 * 512; }
};

/// Reads the plain ustar header at `headerOffset`.
/// @param name the member that must stand there
/// @throws ArchiveDamaged when it does not, or does not fit into the image
TarMember readTarMember(const uint8_t* image, uint64_t imageBytes, uint64_t headerOffset,
                        const char* name);

/// The same for a header that was read into memory of its own: 512 bytes at `header`.
TarMember readTarHeader(const uint8_t* header, uint64_t imageBytes, uint64_t headerOffset,
                        const char* name);

}  // namespace walla
