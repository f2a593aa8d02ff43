// What root finds under a name.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../unique_fd.h"
#include "process_descriptors.h"
#include "wire.h"

namespace walla::collfs {

/// Bytes of a file that are not a hole.
struct Extent {
  std::int64_t offset;
  std::int64_t bytes;
};

enum class SourceType : std::int32_t { none, file, directory, other };

struct Source {
  /// Set when there is nothing to open.
  int errorNumber = 0;
  SourceType type = SourceType::none;
  /// stx_size: what was or will be read.
  struct statx status {};
  /// Small files, and those whose size only reading tells.
  bool inMemory = false;
  Bytes content;
  /// Others are read from here, later.
  UniqueFd fd;
  std::vector<Extent> extents;
};

/// Opens a name for reading, without waiting for anything but the file system: FIFOs and devices
/// are known before they are opened.
/// @param flags of open; those that only read
Source openSource(int directoryFd, const std::string& path, int flags, ProcessDescriptors& own);

constexpr int kMoreThanBasic = STATX_BASIC_STATS | STATX_BTIME;

struct stat toStat(const struct statx& from);

}  // namespace walla::collfs
