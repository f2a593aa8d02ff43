#include "call.h"

#include <cstdio>

namespace walla::collfs {

const char* nameOf(Operation operation) {
  static const char* const kNames[] = {
      "open",      "open_many", "fopen",     "close",     "read",    "pread", "readv",
      "lseek",     "mmap",      "munmap",    "fstat",     "stat",    "lstat", "statx",
      "stat_many", "access",    "readlink",  "realpath",  "opendir", "share", "push",
      "pop",       "set_root",  "set_cache", "cache_drop"};
  static_assert(sizeof kNames / sizeof *kNames == kOperations, "one name for each operation");
  return kNames[static_cast<std::size_t>(operation)];
}

CallHash& CallHash::add(const std::string& text) {
  for (const char c : text) addByte(static_cast<unsigned char>(c));
  addByte(0);
  return *this;
}

CallHash& CallHash::add(std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) addByte(static_cast<unsigned char>(number >> shift));
  return *this;
}

std::uint64_t Call::hash(std::uint64_t seed) const {
  return CallHash(seed)
      .add(static_cast<std::uint64_t>(operation))
      .add(path)
      .add(static_cast<std::uint64_t>(flags))
      .add(more)
      .add(names)
      .value();
}

std::string Call::text() const {
  std::string text = std::string(nameOf(operation)) + "(";
  if (!path.empty()) text += "\"" + path + "\"";
  if (names == 0) text += "NULL";
  if (names > 1) text += " and " + std::to_string(names - 1) + " more";
  if (flags != 0) {
    char number[32];
    std::snprintf(number, sizeof number, ", 0x%llx", static_cast<unsigned long long>(flags));
    text += number;
  }
  return text + ")";
}

}  // namespace walla::collfs
