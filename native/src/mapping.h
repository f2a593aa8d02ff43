#pragma once

#include <cstddef>
#include <cstdint>

namespace walla {

/// Owns a shared mapping of the first bytes of a file and unmaps it. The file's descriptor may be
/// closed while the mapping lives. Zero bytes are no mapping: data() is null.
class Mapping {
 public:
  Mapping() noexcept = default;
  /// @throws PosixError, also (EINVAL) when the file is shorter: touching such pages would be
  /// SIGBUS
  static Mapping readOnly(int fd, uint64_t bytes);
  static Mapping readWrite(int fd, uint64_t bytes);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  /// Of a writable mapping: maps all pages of a part at once, which takes less time than a fault
  /// for each when it is written to. Only that: where it cannot be done, nothing happens.
  void makePresent(uint64_t begin, uint64_t end) const noexcept;

  uint8_t* data() const noexcept { return data_; }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  Mapping(int fd, uint64_t bytes, int protection);

  uint8_t* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace walla
