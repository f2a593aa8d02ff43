#pragma once

#include <sys/stat.h>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace sharedfs {

/** A file or directory that the kernel knows. Lives until the kernel has forgotten it. */
struct Inode {
  /** Opened with O_PATH. */
  int fd = -1;
  std::uint64_t lookups = 0;
  /** Below the mount, for the trace; the first by which it was found. */
  std::string path;
  /** What it was when it was last opened: the page cache is kept if it still is. */
  timespec opened_mtime = {};
  off_t opened_size = -1;
  struct stat identity = {};
  /** Until when the client believes the attributes that it was last told, by CLOCK_MONOTONIC. */
  std::atomic<std::int64_t> attributes_until_ns{0};
};

/** All files that the kernel knows, by device and inode number. */
class InodeTable {
 public:
  ~InodeTable();

  /**
   * Counts one more lookup of a file.
   * @param fd of the file, with O_PATH; owned by the table from now on
   */
  Inode* found(int fd, const struct stat& identity, const std::string& path);
  /** Takes lookups back; the inode is gone when none is left. */
  void forget(Inode* inode, std::uint64_t lookups);
  /** Remembers what an opened file is. @return true if it is what it was when it was opened last */
  bool unchanged_since_open(Inode* inode, const struct stat& now);

 private:
  struct Key {
    dev_t device;
    ino_t number;
    bool operator==(const Key& other) const {
      return device == other.device && number == other.number;
    }
  };
  struct Hash {
    std::size_t operator()(const Key& key) const { return key.number * 31 + key.device; }
  };

  std::mutex mutex_;
  std::unordered_map<Key, Inode*, Hash> inodes_;
};

}  // namespace sharedfs
