#include "utf8_decode.h"

#include <cstring>

// The widening loop has to become vector code, which GCC makes at -O3 only.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

namespace walla {

namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;
constexpr uint8_t kFirstLeadBeyondLatin1 = 0xc4;
constexpr uint8_t kFirstLeadOfFour = 0xf0;

bool isContinuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/// How many bytes from here on are ASCII, in steps of eight: most text is nearly all of that.
size_t asciiRun(const uint8_t* bytes, size_t size) {
  size_t run = 0;
  uint64_t eight;
  while (size - run >= sizeof eight) {
    std::memcpy(&eight, bytes + run, sizeof eight);
    if ((eight & kHighBits) != 0) break;
    run += sizeof eight;
  }
  return run;
}

/// Units that well-formed text takes, and whether all of them fit Latin-1.
size_t measure(const uint8_t* bytes, size_t size, bool* isLatin1) {
  size_t units = 0;
  uint8_t highest = 0;
  for (size_t i = 0; i < size;) {
    const size_t run = asciiRun(bytes + i, size - i);
    units += run;
    i += run;
    if (i == size) break;
    const uint8_t byte = bytes[i++];
    units += !isContinuation(byte);
    units += byte >= kFirstLeadOfFour;
    if (byte > highest) highest = byte;
  }
  *isLatin1 = highest < kFirstLeadBeyondLatin1;
  return units;
}

/// One character of two to four bytes. @returns its length in bytes, or 0 if it is not well-formed
size_t decodeOne(const uint8_t* at, size_t left, uint32_t* character) {
  const uint8_t lead = at[0];
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || length > left) return 0;
  uint32_t value = lead & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (!isContinuation(at[i])) return 0;
    value = value << 6 | (at[i] & 0x3fu);
  }
  const bool isOverlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool isSurrogate = value >= 0xd800 && value < 0xe000;
  if (isOverlong || isSurrogate || value > 0x10ffff) return 0;
  *character = value;
  return length;
}

/// @param units exactly what `measure` counted: each lead byte gives its units or ends the decoding
template <typename Unit>
bool decode(const uint8_t* bytes, size_t size, Unit* units) {
  for (size_t i = 0; i < size;) {
    const size_t run = asciiRun(bytes + i, size - i);
    for (size_t end = i + run; i < end; i += 8, units += 8) {
      for (size_t k = 0; k < 8; ++k) units[k] = static_cast<Unit>(bytes[i + k]);
    }
    if (i == size) return true;
    if (bytes[i] < 0x80) {
      *units++ = static_cast<Unit>(bytes[i++]);
      continue;
    }
    uint32_t character = 0;
    const size_t length = decodeOne(bytes + i, size - i, &character);
    if (length == 0) return false;
    i += length;
    if (character < 0x10000) {
      *units++ = static_cast<Unit>(character);
    } else {
      *units++ = static_cast<Unit>(0xd800 + ((character - 0x10000) >> 10));
      *units++ = static_cast<Unit>(0xdc00 + ((character - 0x10000) & 0x3ff));
    }
  }
  return true;
}

}  // namespace

bool decodeUtf8(const uint8_t* bytes, size_t size, DecodedText* out) {
  bool isLatin1;
  out->length = measure(bytes, size, &isLatin1);
  if (isLatin1) {
    out->latin1.reset(new char[out->length]);
    return decode(bytes, size, out->latin1.get());
  }
  out->utf16.reset(new char16_t[out->length]);
  return decode(bytes, size, out->utf16.get());
}

}  // namespace walla
