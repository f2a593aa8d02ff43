#include "directory.h"

#include <algorithm>
#include <cstring>

dirent* collfs_dir::next() {
  if (at_ >= listing_.size()) return nullptr;
  const auto take = [this](void* to, std::size_t bytes) {
    std::memcpy(to, listing_.data() + at_, bytes);
    at_ += bytes;
  };
  std::uint64_t inode = 0;
  std::uint8_t type = 0;
  std::uint32_t length = 0;
  take(&inode, sizeof inode);
  take(&type, sizeof type);
  take(&length, sizeof length);
  entry_ = {};
  entry_.d_ino = static_cast<ino_t>(inode);
  entry_.d_type = type;
  entry_.d_reclen = sizeof entry_;
  const std::size_t kept = std::min<std::size_t>(length, sizeof entry_.d_name - 1);
  std::memcpy(entry_.d_name, listing_.data() + at_, kept);
  at_ += length;
  entry_.d_off = static_cast<off_t>(at_);
  return &entry_;
}
