#include "file_copy.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "archive_damaged.h"
#include "fault.h"
#include "mapping.h"
#include "posix_error.h"
#include "trailing_hash.h"

namespace walla {

namespace {

// Large enough for a parallel file system's stripes, small enough that hashing overlaps reading.
constexpr uint64_t kChunkBytes = uint64_t{4} << 20;

[[noreturn]] void throwShort(int fd, uint64_t found, uint64_t wanted) {
  throw ArchiveDamaged("'" + describeFd(fd) + "' ends after " + std::to_string(found) + " of " +
                       std::to_string(wanted) + " bytes");
}

}  // namespace

std::string copyFile(int sourceFd, int targetFd, uint64_t bytes, uint64_t hashFrom,
                     const TellProgress& tell) {
  const Mapping target = Mapping::readWrite(targetFd, bytes);
  // Declared after the mapping, so that its threads end before the mapping goes.
  TrailingHash hash(target.data(), std::min(hashFrom, bytes), bytes);
  ProgressTeller progress(tell, static_cast<int64_t>(bytes));
  uint64_t copied = 0;
  while (copied < bytes) {
    const size_t wanted = static_cast<size_t>(std::min(bytes - copied, kChunkBytes));
    const ssize_t got = pread(sourceFd, target.data() + copied, wanted, static_cast<off_t>(copied));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throwErrno("read", describeFd(sourceFd));
    if (got == 0) throwShort(sourceFd, copied, bytes);
    if (copied <= bytes / 2 && bytes / 2 < copied + static_cast<uint64_t>(got)) {
      const int error = faultAt("transfer.middle");
      if (error != 0) throw PosixError(error, "WALLA_FAULT", describeFd(targetFd));
    }
    copied += static_cast<uint64_t>(got);
    hash.advance(copied);
    progress.reached(static_cast<int64_t>(copied));
  }
  return hash.finish();
}

std::string digestFile(int fd, uint64_t from, uint64_t to) {
  struct stat status;
  if (fstat(fd, &status) != 0) throwErrno("fstat", describeFd(fd));
  if (static_cast<uint64_t>(status.st_size) < to) {
    throwShort(fd, static_cast<uint64_t>(status.st_size), to);
  }
  const Mapping mapping = Mapping::readOnly(fd, to);
  TrailingHash hash(mapping.data(), std::min(from, to), to);
  return hash.finish();
}

}  // namespace walla
