#include "mapping.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "posix_error.h"

namespace walla {

Mapping::Mapping(int fd, uint64_t bytes, int protection) {
  struct stat status;
  if (fstat(fd, &status) != 0) throwErrno("fstat", describeFd(fd));
  if (!S_ISREG(status.st_mode) || static_cast<uint64_t>(status.st_size) < bytes) {
    throw PosixError(EINVAL, "mmap", describeFd(fd));
  }
  if (bytes == 0) return;
  void* address = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) throwErrno("mmap", describeFd(fd));
  data_ = static_cast<uint8_t*>(address);
  bytes_ = bytes;
}

Mapping Mapping::readOnly(int fd, uint64_t bytes) { return Mapping(fd, bytes, PROT_READ); }

Mapping Mapping::readWrite(int fd, uint64_t bytes) {
  return Mapping(fd, bytes, PROT_READ | PROT_WRITE);
}

void Mapping::makePresent(uint64_t begin, uint64_t end) const noexcept {
  constexpr uint64_t kPage = 4096;
  begin -= begin % kPage;
  end = std::min(end, bytes_);
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14; elsewhere each page faults
  if (begin < end) madvise(data_ + begin, end - begin, kPopulateWrite);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace walla
