#include "sha256_compress.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

namespace walla {

namespace {

// The target attribute lets these functions use the instructions, so the rest of the addon still
// runs on processors that lack them.
#define WALLA_SHA_TARGET __attribute__((target("sha,ssse3,sse4.1"), always_inline)) inline

/// The state of one input, as the instructions want it, and the part of its message schedule that
/// is needed next.
struct Lane {
  __m128i abef;
  __m128i cdgh;
  __m128i abefBefore;
  __m128i cdghBefore;
  __m128i w[4];
};

WALLA_SHA_TARGET void load(Lane& lane, const uint32_t state[8]) {
  const __m128i* words = reinterpret_cast<const __m128i*>(state);
  const __m128i low = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
  const __m128i high = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
  lane.abef = _mm_alignr_epi8(low, high, 8);
  lane.cdgh = _mm_blend_epi16(high, low, 0xf0);
}

WALLA_SHA_TARGET void store(const Lane& lane, uint32_t state[8]) {
  __m128i* words = reinterpret_cast<__m128i*>(state);
  const __m128i low = _mm_shuffle_epi32(lane.abef, 0x1b);
  const __m128i high = _mm_shuffle_epi32(lane.cdgh, 0xb1);
  _mm_storeu_si128(words, _mm_blend_epi16(low, high, 0xf0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(high, low, 8));
}

WALLA_SHA_TARGET void beginBlock(Lane& lane, const uint8_t* block) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  lane.abefBefore = lane.abef;
  lane.cdghBefore = lane.cdgh;
  for (int i = 0; i < 4; ++i) {
    const __m128i* at = reinterpret_cast<const __m128i*>(block) + i;
    lane.w[i] = _mm_shuffle_epi8(_mm_loadu_si128(at), swap);
  }
}

/// Rounds 4i to 4i+3.
WALLA_SHA_TARGET void fourRounds(Lane& lane, int i, __m128i constants) {
  __m128i* const w = lane.w;
  const __m128i sum = _mm_add_epi32(w[i & 3], constants);
  lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
  lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32(sum, 0x0e));
  if (i < 12) {
    // Words 4i+16 to 4i+19 of the schedule take the place of words 4i to 4i+3.
    __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
    next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
    w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
  }
}

WALLA_SHA_TARGET void endBlock(Lane& lane) {
  lane.abef = _mm_add_epi32(lane.abef, lane.abefBefore);
  lane.cdgh = _mm_add_epi32(lane.cdgh, lane.cdghBefore);
}

WALLA_SHA_TARGET __m128i constantsOf(int i) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSha256Rounds) + i);
}

__attribute__((target("sha,ssse3,sse4.1"))) void compressX86(uint32_t state[8],
                                                             const uint8_t* blocks, size_t count) {
  Lane lane;
  load(lane, state);
  for (; count > 0; --count, blocks += 64) {
    beginBlock(lane, blocks);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) fourRounds(lane, i, constantsOf(i));
    endBlock(lane);
  }
  store(lane, state);
}

__attribute__((target("sha,ssse3,sse4.1"))) void compressTwoX86(uint32_t one[8], uint32_t other[8],
                                                                const uint8_t* blocksOfOne,
                                                                const uint8_t* blocksOfOther,
                                                                size_t count) {
  Lane first;
  Lane second;
  load(first, one);
  load(second, other);
  for (; count > 0; --count, blocksOfOne += 64, blocksOfOther += 64) {
    beginBlock(first, blocksOfOne);
    beginBlock(second, blocksOfOther);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const __m128i constants = constantsOf(i);
      fourRounds(first, i, constants);
      fourRounds(second, i, constants);
    }
    endBlock(first);
    endBlock(second);
  }
  store(first, one);
  store(second, other);
}

bool processorHasSha() noexcept {
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((ecx & bit_SSSE3) == 0 || (ecx & bit_SSE4_1) == 0) return false;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (ebx & (1u << 29)) != 0;
}

}  // namespace

Sha256Compress sha256CompressAccelerated() noexcept {
  static const bool present = processorHasSha();
  return present ? compressX86 : nullptr;
}

Sha256CompressTwo sha256CompressTwoAccelerated() noexcept {
  return sha256CompressAccelerated() != nullptr ? compressTwoX86 : nullptr;
}

}  // namespace walla

#else

namespace walla {

Sha256Compress sha256CompressAccelerated() noexcept { return nullptr; }

Sha256CompressTwo sha256CompressTwoAccelerated() noexcept { return nullptr; }

}  // namespace walla

#endif
