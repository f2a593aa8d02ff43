#include "inode_table.h"

#include <unistd.h>

namespace sharedfs {

InodeTable::~InodeTable() {
  for (const auto& [key, inode] : inodes_) {
    close(inode->fd);
    delete inode;
  }
}

Inode* InodeTable::found(int fd, const struct stat& identity, const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Inode*& inode = inodes_[{identity.st_dev, identity.st_ino}];
  if (inode == nullptr) {
    inode = new Inode;
    inode->fd = fd;
    inode->path = path;
    inode->identity = identity;
  } else {
    close(fd);
  }
  ++inode->lookups;
  return inode;
}

void InodeTable::forget(Inode* inode, std::uint64_t lookups) {
  const std::lock_guard<std::mutex> lock(mutex_);
  inode->lookups -= lookups;
  if (inode->lookups > 0) return;
  inodes_.erase({inode->identity.st_dev, inode->identity.st_ino});
  close(inode->fd);
  delete inode;
}

bool InodeTable::unchanged_since_open(Inode* inode, const struct stat& now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool same = inode->opened_size == now.st_size &&
                    inode->opened_mtime.tv_sec == now.st_mtim.tv_sec &&
                    inode->opened_mtime.tv_nsec == now.st_mtim.tv_nsec;
  inode->opened_size = now.st_size;
  inode->opened_mtime = now.st_mtim;
  return same;
}

}  // namespace sharedfs
