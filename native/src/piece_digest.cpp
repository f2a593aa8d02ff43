#include "piece_digest.h"

#include <algorithm>

namespace walla {

PieceDigest::PieceDigest(const uint8_t* data, uint64_t bytes)
    : data_(data),
      bytes_(bytes),
      digests_(static_cast<size_t>((bytes + kPieceBytes - 1) / kPieceBytes)) {}

uint64_t PieceDigest::endOf(size_t number) const {
  return std::min(bytes_, (uint64_t{number} + 1) * kPieceBytes);
}

void PieceDigest::hash(size_t first, size_t last) noexcept {
  while (first < last) {
    const uint64_t begin = uint64_t{first} * kPieceBytes;
    const uint8_t* const piece = data_ + begin;
    if (last - first > 1 && endOf(first + 1) - begin == 2 * kPieceBytes) {
      Sha256::hashTwo(piece, piece + kPieceBytes, kPieceBytes, digests_[first],
                      digests_[first + 1]);
      first += 2;
    } else {
      Sha256 one;
      one.update(piece, static_cast<size_t>(endOf(first) - begin));
      digests_[first++] = one.finish();
    }
  }
}

std::string PieceDigest::finishHex() const {
  Sha256 all;
  for (const Sha256::Digest& digest : digests_) all.update(digest.data(), digest.size());
  return all.finishHex();
}

std::string pieceDigestHex(const uint8_t* data, uint64_t bytes) {
  PieceDigest digest(data, bytes);
  digest.hash(0, digest.pieces());
  return digest.finishHex();
}

}  // namespace walla
