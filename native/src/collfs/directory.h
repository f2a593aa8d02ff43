#pragma once

#include <dirent.h>

#include "wire.h"

/// The listing of a directory as root read it.
struct collfs_dir {
 public:
  explicit collfs_dir(walla::collfs::Bytes listing) : listing_(std::move(listing)) {}

  /// Valid until the next call; null at the end.
  dirent* next();
  void rewind() { at_ = 0; }

 private:
  walla::collfs::Bytes listing_;
  std::size_t at_ = 0;
  dirent entry_{};
};
