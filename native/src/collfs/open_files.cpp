#include "open_files.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace walla::collfs {
namespace {

struct Entry {
  std::shared_ptr<const OpenFile> file;
  /// Of what the kernel has under the number.
  dev_t device;
  ino_t inode;
};

struct Table {
  std::mutex mutex;
  std::unordered_map<int, Entry> entries;
};

Table& table() {
  // Never destroyed: other libraries' destructors may still ask.
  static auto* const instance = new Table;
  return *instance;
}

/// Of the kernel itself: fstat may be another library's, which asks collfs.
bool identify(int fd, struct stat& status) {
  const int saved = errno;
  const bool open = syscall(SYS_fstat, fd, &status) == 0;
  errno = saved;
  return open;
}

}  // namespace

void remember(int fd, OpenFile file) {
  struct stat status;
  if (!identify(fd, status)) return;
  Entry entry{std::make_shared<const OpenFile>(std::move(file)), status.st_dev, status.st_ino};
  const std::lock_guard<std::mutex> lock(table().mutex);
  table().entries.insert_or_assign(fd, std::move(entry));
}

std::shared_ptr<const OpenFile> openFileOf(int fd) {
  const std::lock_guard<std::mutex> lock(table().mutex);
  const auto found = table().entries.find(fd);
  if (found == table().entries.end()) return nullptr;
  struct stat status;
  if (identify(fd, status) && status.st_dev == found->second.device &&
      status.st_ino == found->second.inode) {
    return found->second.file;
  }
  table().entries.erase(found);
  return nullptr;
}

void forget(int fd) {
  const std::lock_guard<std::mutex> lock(table().mutex);
  table().entries.erase(fd);
}

}  // namespace walla::collfs
