#include "../../native/src/utf8_decode.h"

#include <random>
#include <string>

#include "check.h"

using walla::DecodedText;
using walla::decodeUtf8;

namespace {

bool decodes(const std::string& bytes, DecodedText* out) {
  // A copy of the exact size: the address sanitizer then sees any step past the end.
  const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  for (size_t i = 0; i < bytes.size(); ++i) exact[i] = static_cast<uint8_t>(bytes[i]);
  return decodeUtf8(exact.get(), bytes.size(), out);
}

std::u16string wide(const std::string& bytes) {
  DecodedText text;
  CHECK(decodes(bytes, &text));
  std::u16string units;
  for (size_t i = 0; i < text.length; ++i) {
    units +=
        text.latin1 ? static_cast<char16_t>(static_cast<uint8_t>(text.latin1[i])) : text.utf16[i];
  }
  return units;
}

bool refuses(const std::string& bytes) {
  DecodedText text;
  return !decodes(bytes, &text);
}

}  // namespace

TEST("UTF-8 becomes the units that hold it") {
  CHECK(wide("") == u"");
  CHECK(wide("plain text, longer than eight bytes") == u"plain text, longer than eight bytes");
  CHECK(wide("\u00e9t\u00e9 \u00a9 2026, all of it Latin-1") ==
        u"\u00e9t\u00e9 \u00a9 2026, all of it Latin-1");
  CHECK(wide("\u0100\u07ff\u0800\uffff") == u"\u0100\u07ff\u0800\uffff");
  CHECK(wide("12345678\U00010000abc\U0010ffff") == u"12345678\U00010000abc\U0010ffff");
  CHECK(wide("\ufeffmark") == u"\ufeffmark");
}

TEST("Latin-1 text takes one byte a unit, other text two") {
  DecodedText text;
  CHECK(decodes("caf\u00e9", &text));
  CHECK(text.latin1 != nullptr && text.utf16 == nullptr && text.length == 4);
  DecodedText other;
  CHECK(decodes("caf\u00e9 \u2014", &other));
  CHECK(other.latin1 == nullptr && other.utf16 != nullptr && other.length == 6);
}

TEST("what is not well-formed UTF-8 is refused") {
  for (const char* bytes : {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
                            "\xe2\x82", "\xed\xa0\x80", "\xf0\x80\x80\xaf", "\xf0\x9f\x98",
                            "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "12345678\xe9"}) {
    CHECK(refuses(bytes));
  }
}

TEST("no bytes make the decoder step outside its text") {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) {
      const uint32_t kind = random() % 4;
      byte = static_cast<char>(kind == 0 ? random() % 256 : kind == 1 ? 0xc0 + random() % 64 : 'a');
    }
    DecodedText text;
    decodes(bytes, &text);
  }
}
