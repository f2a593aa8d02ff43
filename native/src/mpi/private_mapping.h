#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace walla::mpi {

/// Owns a mapping of the first bytes of a file that may be written to without changing the file.
class PrivateMapping {
 public:
  PrivateMapping() = default;
  PrivateMapping(const PrivateMapping&) = delete;
  PrivateMapping& operator=(const PrivateMapping&) = delete;
  ~PrivateMapping() {
    if (bytes_ > 0) munmap(data_, bytes_);
  }

  /// @param fd open for reading
  /// @returns 0 or an errno. No bytes need no mapping.
  int map(int fd, std::int64_t bytes) {
    if (bytes == 0) return 0;
    const auto length = static_cast<std::size_t>(bytes);
    // MAP_NORESERVE: nobody means to write.
    void* data = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (data == MAP_FAILED) return errno;
    data_ = data;
    bytes_ = length;
    return 0;
  }

  /// Puts zeros in the place of a file that has been cut off: touching it would be a SIGBUS.
  void replaceByZeros() {
    if (bytes_ == 0) return;
    mmap(data_, bytes_, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  }

  std::uint8_t* data() const { return static_cast<std::uint8_t*>(data_); }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace walla::mpi
