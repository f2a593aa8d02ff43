#include "sha256.h"

#include <algorithm>
#include <cstring>

#include "sha256_compress.h"

namespace walla {

const uint32_t kSha256Rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

uint32_t rotate(uint32_t value, int bits) { return (value >> bits) | (value << (32 - bits)); }

uint32_t loadBigEndian(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
         static_cast<uint32_t>(at[2]) << 8 | at[3];
}

}  // namespace

void sha256CompressPortable(uint32_t state[8], const uint8_t* blocks, size_t count) {
  for (; count > 0; --count, blocks += 64) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i) w[i] = loadBigEndian(blocks + 4 * i);
    for (int i = 16; i < 64; ++i) {
      const uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; ++i) {
      const uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kSha256Rounds[i] + w[i];
      const uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1;
      d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  }
}

Sha256::Sha256(Engine engine) noexcept
    : compress_(sha256CompressPortable), state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {
  const Sha256Compress accelerated = sha256CompressAccelerated();
  if (engine == Engine::best && accelerated != nullptr) compress_ = accelerated;
}

bool Sha256::accelerated() noexcept { return sha256CompressAccelerated() != nullptr; }

void Sha256::update(const void* data, size_t bytes) noexcept {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  if (bytes == 0) return;
  total_ += bytes;
  if (held_ > 0) {
    const size_t taken = std::min(bytes, sizeof block_ - held_);
    std::memcpy(block_ + held_, at, taken);
    held_ += taken;
    at += taken;
    bytes -= taken;
    if (held_ < sizeof block_) return;
    compress_(state_, block_, 1);
    held_ = 0;
  }
  compress_(state_, at, bytes / 64);
  at += bytes / 64 * 64;
  held_ = bytes % 64;
  std::memcpy(block_, at, held_);
}

Sha256::Digest Sha256::finish() noexcept {
  const uint64_t bits = total_ * 8;
  block_[held_++] = 0x80;
  if (held_ > 56) {
    std::memset(block_ + held_, 0, sizeof block_ - held_);
    compress_(state_, block_, 1);
    held_ = 0;
  }
  std::memset(block_ + held_, 0, 56 - held_);
  for (int i = 0; i < 8; ++i) block_[56 + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  compress_(state_, block_, 1);
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

void Sha256::hashTwo(const uint8_t* one, const uint8_t* other, size_t bytes, Digest& ofOne,
                     Digest& ofOther) noexcept {
  Sha256 first;
  Sha256 second;
  if (const Sha256CompressTwo compressTwo = sha256CompressTwoAccelerated()) {
    compressTwo(first.state_, second.state_, one, other, bytes / 64);
    first.total_ = second.total_ = bytes;
  } else {
    first.update(one, bytes);
    second.update(other, bytes);
  }
  ofOne = first.finish();
  ofOther = second.finish();
}

std::string Sha256::finishHex() { return toHex(finish()); }

std::string toHex(const Sha256::Digest& digest) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(digest.size() * 2);
  for (const uint8_t byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace walla
