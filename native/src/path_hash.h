#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace walla {

/// The hash of docs/format.md, taken piece by piece: FNV-1a with the finalizer of MurmurHash3.
class PathHash {
 public:
  PathHash& add(std::string_view bytes) noexcept {
    for (const char byte : bytes) addByte(static_cast<uint8_t>(byte));
    return *this;
  }
  PathHash& addByte(uint8_t byte) noexcept {
    state_ = (state_ ^ byte) * 16777619u;
    return *this;
  }
  /// Four bytes, little-endian.
  PathHash& addNumber(uint32_t number) noexcept {
    for (int shift = 0; shift < 32; shift += 8) addByte(static_cast<uint8_t>(number >> shift));
    return *this;
  }
  uint32_t value() const noexcept {
    uint32_t h = state_;
    h ^= h >> 16;
    h *= 0x85ebca6b;
    h ^= h >> 13;
    h *= 0xc2b2ae35;
    return h ^ (h >> 16);
  }

 private:
  uint32_t state_ = 2166136261u;
};

}  // namespace walla
