#include "node_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

namespace walla::collfs {

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

UniqueFd makeMemoryFile() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // Libraries are mapped from it. Kernels before 6.3 do not know the flag, later ones may need it.
  UniqueFd file(memfd_create("collfs", kFlags | MFD_EXEC));
  if (!file.valid() && errno == EINVAL) file = UniqueFd(memfd_create("collfs", kFlags));
  return file;
}

int seal(int fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  // Against writes that begin from now on, and nobody has mapped the file to write. The seal
  // against all looks at each page, and is EBUSY where the kernel has one in hand, as when it moves
  // memory.
  if (fcntl(fd, F_ADD_SEALS, kSeals | F_SEAL_FUTURE_WRITE) == 0) return 0;
  if (errno != EINVAL) return errno;
  // Kernels before 5.1 know that one alone.
  return fcntl(fd, F_ADD_SEALS, kSeals | F_SEAL_WRITE) == 0 ? 0 : errno;
}

int writeFully(int fd, const std::uint8_t* data, std::size_t bytes, std::int64_t offset) {
  while (bytes > 0) {
    const ssize_t written = pwrite(fd, data, bytes, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    data += written;
    bytes -= static_cast<std::size_t>(written);
    offset += written;
  }
  return 0;
}

std::uint64_t availableMemory() {
  std::uint64_t available = UINT64_MAX;
  FILE* file = std::fopen("/proc/meminfo", "re");
  if (file == nullptr) return available;
  char line[128];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line, "MemAvailable: %llu", &kibibytes) == 1) available = kibibytes << 10;
  }
  std::fclose(file);
  return available;
}

int NextCopy::make(Pair& pair, ProcessDescriptors& own) {
  UniqueFd file = makeMemoryFile();
  if (!file.valid()) return errno;
  if (fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, kGuaranteedBytes) != 0) return errno;
  pair.readable = own.open(ProcessDescriptors::kOwn, file.get());
  if (!pair.readable.valid()) return errno;
  pair.writable = std::move(file);
  return 0;
}

int NextCopy::prepare(bool head, ProcessDescriptors& descriptors) {
  if (!head) {
    if (readable_.valid()) return 0;
    if (heard_.fd < 0) return ESTALE;
    readable_ = descriptors.open(heard_.process, heard_.fd);
    return readable_.valid() ? 0 : errno;
  }
  if (!writable_.valid()) {
    const int code = spare_.writable.valid() ? 0 : make(spare_, descriptors);
    if (code != 0) return code;
    writable_ = std::move(spare_.writable);
    readable_ = std::move(spare_.readable);
    ++serial_;
  }
  if (!readable_.valid()) readable_ = descriptors.open(ProcessDescriptors::kOwn, writable_.get());
  return readable_.valid() ? 0 : errno;
}

void NextCopy::prepareSpare(ProcessDescriptors& own) {
  // The last descriptor of a file that was read and closed: to free it takes as long as to fill it.
  filled_.reset();
  // If this fails, so will prepare(), which says why.
  if (!spare_.writable.valid()) make(spare_, own);
}

ino_t NextCopy::inode() const {
  struct stat status;
  // Of the kernel itself: fstat may be another library's.
  return syscall(SYS_fstat, readable_.get(), &status) == 0 ? status.st_ino : 0;
}

void NextCopy::announce(Bytes& forNode) const {
  put(forNode, Announcement{getpid(), writable_.get(), serial_});
}

void NextCopy::hear(Reader& fromHead) {
  const auto news = fromHead.get<Announcement>();
  // The descriptor held is of a file that the head has given up since.
  if (news.fd < 0 || news.serial != heard_.serial) readable_.reset();
  heard_ = news;
}

int NextCopy::fill(const Bytes& content) {
  int code = writeFully(writable_.get(), content.data(), content.size(), 0);
  if (code == 0) code = seal(writable_.get());
  filled_ = std::move(writable_);
  return code;
}

}  // namespace walla::collfs
