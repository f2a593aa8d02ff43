#include "tar_member.h"

#include <cstring>
#include <string>

#include "archive_damaged.h"

namespace walla {

namespace {

constexpr uint64_t kBlockBytes = 512;

/// A ustar number: octal digits, padded with spaces or NULs.
bool readOctal(const uint8_t* field, size_t width, uint64_t* out) {
  uint64_t number = 0;
  size_t i = 0;
  while (i < width && field[i] == ' ') ++i;
  const size_t start = i;
  for (; i < width && field[i] >= '0' && field[i] <= '7'; ++i)
    number = number * 8 + (field[i] - '0');
  if (i == start || (i < width && field[i] != ' ' && field[i] != 0)) return false;
  *out = number;
  return true;
}

bool checksumIsRight(const uint8_t* header) {
  uint64_t expected;
  if (!readOctal(header + 148, 8, &expected)) return false;
  uint64_t sum = 8 * ' ';
  for (size_t i = 0; i < kBlockBytes; ++i) {
    if (i < 148 || i >= 156) sum += header[i];
  }
  return sum == expected;
}

}  // namespace

TarMember readTarMember(const uint8_t* image, uint64_t imageBytes, uint64_t headerOffset,
                        const char* name) {
  if (headerOffset > imageBytes || imageBytes - headerOffset < kBlockBytes) {
    throw ArchiveDamaged(std::string("member ") + name + ": the archive ends before it");
  }
  return readTarHeader(image + headerOffset, imageBytes, headerOffset, name);
}

TarMember readTarHeader(const uint8_t* header, uint64_t imageBytes, uint64_t headerOffset,
                        const char* name) {
  const auto damaged = [&](const char* what) {
    return ArchiveDamaged(std::string("member ") + name + ": " + what);
  };
  const size_t nameBytes = std::strlen(name);
  if (std::memcmp(header + 257, "ustar", 5) != 0 || !checksumIsRight(header)) {
    throw damaged("not a tar header");
  }
  if (std::memcmp(header, name, nameBytes + 1) != 0 || (header[156] != '0' && header[156] != 0)) {
    throw damaged("another member stands in its place");
  }
  TarMember member;
  member.dataOffset = headerOffset + kBlockBytes;
  if (!readOctal(header + 124, 12, &member.bytes)) throw damaged("unreadable size");
  if (member.bytes > imageBytes - member.dataOffset) throw damaged("cut off");
  return member;
}

}  // namespace walla
