#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace walla {

/// SHA-256, with the processor's own instructions where it has them.
class Sha256 {
 public:
  using Digest = std::array<uint8_t, 32>;
  enum class Engine { best, portable };

  explicit Sha256(Engine engine = Engine::best) noexcept;

  void update(const void* data, size_t bytes) noexcept;
  /// Ends the digest; update may not be called afterwards.
  Digest finish() noexcept;
  std::string finishHex();

  /// Two inputs of one size, a multiple of 64 bytes, side by side: the processor's instructions for
  /// one leave it waiting half of the time.
  static void hashTwo(const uint8_t* one, const uint8_t* other, size_t bytes, Digest& ofOne,
                      Digest& ofOther) noexcept;

  /// True where Engine::best is not the portable one.
  static bool accelerated() noexcept;

 private:
  using Compress = void (*)(uint32_t state[8], const uint8_t* blocks, size_t count);

  Compress compress_;
  uint32_t state_[8];
  uint64_t total_ = 0;
  size_t held_ = 0;
  uint8_t block_[64];
};

std::string toHex(const Sha256::Digest& digest);

}  // namespace walla
