#pragma once

#include <cstddef>
#include <cstdint>

namespace walla {

/// Round constants of FIPS 180-4.
extern const uint32_t kSha256Rounds[64];

/// Folds `count` blocks of 64 bytes into the state.
void sha256CompressPortable(uint32_t state[8], const uint8_t* blocks, size_t count);

/// The same with the SHA extensions of x86-64; null where this machine has none.
using Sha256Compress = void (*)(uint32_t state[8], const uint8_t* blocks, size_t count);
Sha256Compress sha256CompressAccelerated() noexcept;

/// Two inputs at a time, `count` blocks of each; null where the other is.
using Sha256CompressTwo = void (*)(uint32_t one[8], uint32_t other[8], const uint8_t* blocksOfOne,
                                   const uint8_t* blocksOfOther, size_t count);
Sha256CompressTwo sha256CompressTwoAccelerated() noexcept;

}  // namespace walla
