#include "source.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "node_copy.h"

namespace walla::collfs {
namespace {

/// Smaller holes are sent as zeros: a message for each piece between them would cost more.
constexpr std::int64_t kSmallestHole = std::int64_t{1} << 20;
/// Of files that do not tell their size (/proc); some of those never end.
constexpr std::size_t kLargestUnknown = std::size_t{1} << 30;

/// Reads on until the end or `limit`. @returns errno or 0
int readToEnd(int fd, std::size_t limit, Bytes& content) {
  constexpr std::size_t kStep = std::size_t{64} << 10;
  for (;;) {
    const std::size_t have = content.size();
    const std::size_t want = std::min(limit - have, std::max(kStep, have));
    if (want == 0) return 0;
    content.resize(have + want);
    ssize_t got = -1;
    do {
      got = read(fd, content.data() + have, want);
    } while (got < 0 && errno == EINTR);
    content.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) return errno;
    if (got == 0) return 0;
  }
}

std::vector<Extent> extentsOf(int fd, std::int64_t size) {
  std::vector<Extent> extents;
  for (std::int64_t at = 0; at < size;) {
    const off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // a hole to the end
    // Not every file system tells.
    if (data < 0) return {{0, size}};
    const off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0) return {{0, size}};
    const std::int64_t end = std::min<std::int64_t>(hole, size);
    if (data >= end) break;
    if (!extents.empty() && data - (extents.back().offset + extents.back().bytes) < kSmallestHole) {
      extents.back().bytes = end - extents.back().offset;
    } else {
      extents.push_back({data, end - data});
    }
    at = end;
  }
  return extents;
}

SourceType typeOf(mode_t mode) {
  if (S_ISREG(mode)) return SourceType::file;
  return S_ISDIR(mode) ? SourceType::directory : SourceType::other;
}

void readSource(Source& source) {
  const auto size = static_cast<std::int64_t>(source.status.stx_size);
  const bool unknown = size == 0;
  if (!unknown && size > static_cast<std::int64_t>(kInlineBytes)) {
    source.extents = extentsOf(source.fd.get(), size);
    return;
  }
  // A size may be wrong in both directions (/sys); what can be read counts.
  const std::size_t limit = unknown ? kLargestUnknown + 1 : static_cast<std::size_t>(size);
  source.errorNumber = readToEnd(source.fd.get(), limit, source.content);
  if (source.errorNumber == 0 && source.content.size() > kLargestUnknown) {
    source.errorNumber = EFBIG;
  }
  source.inMemory = true;
  source.status.stx_size = source.content.size();
  source.fd.reset();
  if (source.errorNumber != 0) source.content.clear();
  const auto bytes = static_cast<std::int64_t>(source.content.size());
  if (bytes > 0) source.extents = {{0, bytes}};
}

}  // namespace

Source openSource(int directoryFd, const std::string& path, int flags, ProcessDescriptors& own) {
  Source source;
  const auto fail = [&source](int code) {
    source.errorNumber = code;
    return std::move(source);
  };
  // O_PATH opens nothing: a FIFO's writer is not woken, a tape not wound.
  const int lookup = O_PATH | O_CLOEXEC | (flags & (O_NOFOLLOW | O_DIRECTORY));
  const UniqueFd place(openat(directoryFd, path.c_str(), lookup));
  if (!place.valid()) return fail(errno);
  if (statx(place.get(), "", AT_EMPTY_PATH, kMoreThanBasic, &source.status) != 0) {
    return fail(errno);
  }
  if (S_ISLNK(source.status.stx_mode)) return fail(ELOOP);
  source.type = typeOf(source.status.stx_mode);
  if (source.type == SourceType::other) return source;
  // O_NONBLOCK: some files of /proc wait for something to read.
  const int how = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (flags & O_NOATIME);
  source.fd = own.open(ProcessDescriptors::kOwn, place.get(), how);
  // Without /proc: the name again.
  if (!source.fd.valid() && errno == ENOENT) {
    source.fd = UniqueFd(openat(directoryFd, path.c_str(), how | (flags & O_NOFOLLOW)));
  }
  if (!source.fd.valid()) return fail(errno);
  if (source.type == SourceType::directory) {
    source.fd.reset();
    return source;
  }
  readSource(source);
  return source;
}

struct stat toStat(const struct statx& from) {
  struct stat to {};
  to.st_dev = makedev(from.stx_dev_major, from.stx_dev_minor);
  to.st_ino = from.stx_ino;
  to.st_mode = from.stx_mode;
  to.st_nlink = from.stx_nlink;
  to.st_uid = from.stx_uid;
  to.st_gid = from.stx_gid;
  to.st_rdev = makedev(from.stx_rdev_major, from.stx_rdev_minor);
  to.st_size = static_cast<off_t>(from.stx_size);
  to.st_blksize = static_cast<blksize_t>(from.stx_blksize);
  to.st_blocks = static_cast<blkcnt_t>(from.stx_blocks);
  to.st_atim = {from.stx_atime.tv_sec, from.stx_atime.tv_nsec};
  to.st_mtim = {from.stx_mtime.tv_sec, from.stx_mtime.tv_nsec};
  to.st_ctim = {from.stx_ctime.tv_sec, from.stx_ctime.tv_nsec};
  return to;
}

}  // namespace walla::collfs
