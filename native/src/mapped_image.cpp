#include "mapped_image.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "archive_damaged.h"
#include "posix_error.h"
#include "tar_member.h"

namespace walla {

namespace {

struct Opened {
  dev_t device;
  ino_t inode;
  uint64_t bytes;
  // Not st_ctime: a rename, which publishes an image, changes that.
  timespec modified;
  std::unique_ptr<const MappedImage> image;
};

constexpr uint64_t kKeptBytes = uint64_t{4} << 20;

// Leaked on purpose: a static destructor would unmap while other threads still run.
std::mutex& registryMutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}
std::vector<Opened>& registry() {
  static std::vector<Opened>& opened = *new std::vector<Opened>;
  return opened;
}

}  // namespace

MappedImage::MappedImage(Mapping mapping)
    : mapping_(std::move(mapping)), index_(locateIndex(mapping_)) {}

Index MappedImage::locateIndex(const Mapping& mapping) {
  const TarMember manifest =
      readTarMember(mapping.data(), mapping.bytes(), 0, layout::kManifestName);
  const TarMember index =
      readTarMember(mapping.data(), mapping.bytes(), manifest.end(), layout::kIndexName);
  return Index(mapping.data() + index.dataOffset, index.bytes, mapping.bytes());
}

void MappedImage::served(uint64_t bytes) const noexcept {
  if (served_.fetch_add(bytes, std::memory_order_relaxed) + bytes < kKeptBytes) return;
  served_.store(0, std::memory_order_relaxed);
  madvise(mapping_.data(), mapping_.bytes(), MADV_DONTNEED);
}

const MappedImage& MappedImage::open(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) throwErrno("fstat", describeFd(fd));
  if (!S_ISREG(status.st_mode) || status.st_size == 0) {
    throw ArchiveDamaged("'" + describeFd(fd) + "' is not a file with content");
  }
  const uint64_t bytes = static_cast<uint64_t>(status.st_size);
  const std::lock_guard<std::mutex> lock(registryMutex());
  // The mapping keeps the inode alive, so the same number is the same file.
  for (const Opened& opened : registry()) {
    if (opened.device == status.st_dev && opened.inode == status.st_ino && opened.bytes == bytes &&
        opened.modified.tv_sec == status.st_mtim.tv_sec &&
        opened.modified.tv_nsec == status.st_mtim.tv_nsec) {
      return *opened.image;
    }
  }
  std::unique_ptr<const MappedImage> image(new MappedImage(Mapping::readOnly(fd, bytes)));
  registry().push_back({status.st_dev, status.st_ino, bytes, status.st_mtim, std::move(image)});
  return *registry().back().image;
}

}  // namespace walla
