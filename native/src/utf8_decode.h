#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace walla {

/// Text decoded from UTF-8, in the narrowest units that hold it.
struct DecodedText {
  /// Exactly one of the two is set.
  std::unique_ptr<char[]> latin1;
  std::unique_ptr<char16_t[]> utf16;
  /// In units.
  size_t length = 0;
};

/// Decodes UTF-8 (Unicode 15.0, section 3.9, table 3-7).
/// @returns false when the bytes are not well-formed; `out` is then unspecified
bool decodeUtf8(const uint8_t* bytes, size_t size, DecodedText* out);

}  // namespace walla
