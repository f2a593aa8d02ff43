#pragma once

#include <cstdint>
#include <string>

namespace walla::collfs {

/// What is counted. The order is that of the printed table.
enum class Operation : std::int32_t {
  open,
  openMany,
  fopen,
  close,
  read,
  pread,
  readv,
  lseek,
  mmap,
  munmap,
  fstat,
  stat,
  lstat,
  statx,
  statMany,
  access,
  readlink,
  realpath,
  opendir,
  share,
  push,
  pop,
  setRoot,
  setCache,
  cacheDrop,
  count
};

constexpr auto kOperations = static_cast<std::size_t>(Operation::count);

/// "open", "open_many".
const char* nameOf(Operation operation);

/// One rank's collective call: what has to be the same on all ranks.
struct Call {
  Operation operation;
  std::string path;
  std::int64_t flags = 0;
  /// More that has to be the same, such as the other paths of a batch.
  std::uint64_t more = 0;
  /// How many names it is about; 0 if the program gave NULL for one.
  std::uint64_t names = 1;

  std::uint64_t hash(std::uint64_t seed) const;
  /// For people: open("/a/b", 0x80000)
  std::string text() const;
};

/// FNV-1a, 64 bits: the ranks of one job are not each other's enemies.
class CallHash {
 public:
  explicit CallHash(std::uint64_t seed = 0) { add(seed); }
  CallHash& add(const std::string& text);
  CallHash& add(std::uint64_t number);
  std::uint64_t value() const { return state_; }

 private:
  void addByte(unsigned char byte) { state_ = (state_ ^ byte) * 1099511628211u; }

  std::uint64_t state_ = 14695981039346656037u;
};

}  // namespace walla::collfs
