#include "stored_index.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "archive_damaged.h"
#include "posix_error.h"
#include "tar_member.h"

namespace walla {

namespace {

constexpr uint64_t kHeaderBlock = 512;
// Room for millions of files. A sparse file can claim any size without taking any space.
constexpr uint64_t kMostIndexBytes = uint64_t{1} << 30;
constexpr uint64_t kReadBytes = uint64_t{16} << 20;

void readAt(int fd, uint8_t* target, uint64_t bytes, uint64_t offset) {
  for (uint64_t done = 0; done < bytes;) {
    const size_t wanted = static_cast<size_t>(std::min(bytes - done, kReadBytes));
    const ssize_t got = pread(fd, target + done, wanted, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throwErrno("read", describeFd(fd));
    if (got == 0) throw ArchiveDamaged("'" + describeFd(fd) + "' ends inside its index");
    done += static_cast<uint64_t>(got);
  }
}

TarMember memberAt(int fd, uint64_t imageBytes, uint64_t offset, const char* name) {
  uint8_t header[kHeaderBlock];
  readAt(fd, header, sizeof header, offset);
  return readTarHeader(header, imageBytes, offset, name);
}

}  // namespace

StoredIndex::StoredIndex(std::unique_ptr<uint8_t[]> bytes, const Index& index)
    : bytes_(std::move(bytes)), index_(index) {}

StoredIndex StoredIndex::read(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) throwErrno("fstat", describeFd(fd));
  if (!S_ISREG(status.st_mode)) throw ArchiveDamaged("'" + describeFd(fd) + "' is not a file");
  const uint64_t imageBytes = static_cast<uint64_t>(status.st_size);
  const TarMember manifest = memberAt(fd, imageBytes, 0, layout::kManifestName);
  const TarMember member = memberAt(fd, imageBytes, manifest.end(), layout::kIndexName);
  if (member.bytes > kMostIndexBytes) {
    throw ArchiveDamaged("index: " + std::to_string(member.bytes) + " bytes are too many");
  }
  std::unique_ptr<uint8_t[]> bytes(new uint8_t[member.bytes]);
  readAt(fd, bytes.get(), member.bytes, member.dataOffset);
  const Index index(bytes.get(), member.bytes, imageBytes);
  return StoredIndex(std::move(bytes), index);
}

}  // namespace walla
