#include "../../native/src/piece_digest.h"

#include <algorithm>
#include <string>
#include <vector>

#include "../../native/src/trailing_hash.h"
#include "check.h"

using namespace walla;

namespace {

std::vector<uint8_t> content(size_t bytes) {
  std::vector<uint8_t> data(bytes);
  for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<uint8_t>(i * 31 + (i >> 8));
  return data;
}

/// As docs/format.md says it.
std::string expectedOf(const uint8_t* data, size_t bytes) {
  Sha256 all;
  for (size_t at = 0; at < bytes; at += kPieceBytes) {
    Sha256 piece(Sha256::Engine::portable);
    piece.update(data + at, std::min<size_t>(kPieceBytes, bytes - at));
    const Sha256::Digest digest = piece.finish();
    all.update(digest.data(), digest.size());
  }
  return all.finishHex();
}

const size_t kSizes[] = {0,
                         1,
                         kPieceBytes,
                         kPieceBytes + 1,
                         2 * kPieceBytes,
                         2 * kPieceBytes + 64,
                         5 * kPieceBytes - 1,
                         70 * kPieceBytes + 3};

}  // namespace

TEST("sha256: two inputs side by side have the digests that each has alone") {
  for (const size_t bytes : {size_t{0}, size_t{64}, size_t{128}, size_t{6400}}) {
    const std::vector<uint8_t> data = content(2 * bytes + 1);
    Sha256::Digest one;
    Sha256::Digest other;
    Sha256::hashTwo(data.data(), data.data() + bytes + 1, bytes, one, other);
    Sha256 first(Sha256::Engine::portable);
    first.update(data.data(), bytes);
    CHECK_EQUAL(toHex(one), first.finishHex());
    Sha256 second(Sha256::Engine::portable);
    second.update(data.data() + bytes + 1, bytes);
    CHECK_EQUAL(toHex(other), second.finishHex());
  }
}

TEST("piece digest: is the digest of the pieces' digests, for every number of pieces") {
  for (const size_t bytes : kSizes) {
    const std::vector<uint8_t> data = content(bytes);
    CHECK_EQUAL(pieceDigestHex(data.data(), bytes), expectedOf(data.data(), bytes));
  }
}

TEST("piece digest: threads that follow the bytes find the same, however they arrive") {
  for (const size_t bytes : kSizes) {
    const std::vector<uint8_t> data = content(bytes);
    for (const size_t from : {size_t{0}, bytes / 3}) {
      const std::string expected = expectedOf(data.data() + from, bytes - from);
      for (const size_t step : {size_t{1} << 20, kPieceBytes / 2 + 1, bytes + 1}) {
        TrailingHash hash(data.data(), from, bytes);
        for (size_t at = 0; at < bytes; at += step) hash.advance(at);
        CHECK_EQUAL(hash.finish(), expected);
      }
      const TrailingHash unfinished(data.data(), from, bytes);
    }
  }
}
