// The digest of an archive's body: SHA-256 over the SHA-256 digests of its pieces, one after the
// other. Pieces of a file can be hashed side by side, by several processors and two at a time on
// each, and in the order in which they arrive; one SHA-256 of everything cannot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sha256.h"

namespace walla {

/// The last piece may be shorter. docs/format.md has the figure.
constexpr uint64_t kPieceBytes = uint64_t{256} << 10;

/// The digests of the pieces of a region of memory. Different pieces may be hashed on different
/// threads at once.
class PieceDigest {
 public:
  PieceDigest(const uint8_t* data, uint64_t bytes);

  size_t pieces() const { return digests_.size(); }
  /// Where piece `number` ends, in bytes; the last one at the end of the region.
  uint64_t endOf(size_t number) const;
  /// Hashes pieces [first, last).
  void hash(size_t first, size_t last) noexcept;
  /// Lower-case hex. All pieces must have been hashed.
  std::string finishHex() const;

 private:
  const uint8_t* data_;
  uint64_t bytes_;
  std::vector<Sha256::Digest> digests_;
};

/// The digest of a region that is there as a whole, by this thread. Lower-case hex.
std::string pieceDigestHex(const uint8_t* data, uint64_t bytes);

}  // namespace walla
