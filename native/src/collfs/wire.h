// Bytes of a message, written and read in the order of the code. All ranks run the same binary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace walla::collfs {

using Bytes = std::vector<std::uint8_t>;

template <typename T>
void put(Bytes& bytes, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>, "sent as it is in memory");
  const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

inline void putString(Bytes& bytes, const std::string& text) {
  put(bytes, static_cast<std::uint32_t>(text.size()));
  bytes.insert(bytes.end(), text.begin(), text.end());
}

class Reader {
 public:
  explicit Reader(const Bytes& bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  template <typename T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>, "sent as it is in memory");
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }

  std::string getString() {
    const auto length = get<std::uint32_t>();
    return std::string(reinterpret_cast<const char*>(take(length)), length);
  }

  Bytes rest() { return Bytes(at_, end_); }

 private:
  const std::uint8_t* take(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - at_) < bytes) {
      throw std::logic_error("a message of collfs is too short");
    }
    at_ += bytes;
    return at_ - bytes;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace walla::collfs
