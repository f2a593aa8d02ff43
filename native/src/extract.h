#pragma once

#include <cstdint>

#include "mapped_image.h"

namespace walla {

struct Extracted {
  uint64_t files = 0;
  uint64_t bytes = 0;
};

/// Bytes of all ELF files of the image, which is what extractElf writes where nothing is yet.
uint64_t elfBytes(const MappedImage& image);

/// Writes every ELF file of the image below an open private directory, keeping relative paths;
/// directories and files get mode 0700. Packed links that lead to such a file, or to a directory
/// that holds one, are made too, so that run paths work that go through links ($ORIGIN/../lib in a
/// pnpm tree). A file appears whole or not at all; one that is there already is left as it is.
/// @returns what was written
/// @throws PosixError; ArchiveDamaged for a path that would leave the directory
Extracted extractElf(const MappedImage& image, int directoryFd);

/// Writes one file in the same way.
/// @throws also ArchiveDamaged when the entry is no file
void materialize(const MappedImage& image, uint32_t entry, int directoryFd);

}  // namespace walla
