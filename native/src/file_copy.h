#pragma once

#include <cstdint>
#include <string>

#include "progress_teller.h"

namespace walla {

/// Copies the first `bytes` of one file into another through a mapping of the target, which must
/// already have that size, and hashes on other threads as the bytes arrive.
/// @param tell called on this thread from time to time
/// @returns digest of pieces (piece_digest.h) of bytes [hashFrom, bytes), in hex
/// @throws PosixError; ArchiveDamaged when the source ends early
std::string copyFile(int sourceFd, int targetFd, uint64_t bytes, uint64_t hashFrom,
                     const TellProgress& tell = {});

/// Digest of pieces of bytes [from, to) of a file, in hex, read through a mapping.
/// @throws PosixError; ArchiveDamaged when the file is shorter than `to`
std::string digestFile(int fd, uint64_t from, uint64_t to);

}  // namespace walla
