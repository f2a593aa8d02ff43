#pragma once

#include <dirent.h>

namespace walla {

/// Reads the names of an open directory, from the beginning, whatever the descriptor's position.
class DirectoryStream {
 public:
  /// @throws PosixError
  explicit DirectoryStream(int directoryFd);
  DirectoryStream(const DirectoryStream&) = delete;
  DirectoryStream& operator=(const DirectoryStream&) = delete;
  ~DirectoryStream();

  /// The next name but . and .., valid until the next call; null at the end.
  /// @throws PosixError
  const dirent* next();
  int fd() const noexcept;

 private:
  DIR* stream_;
};

}  // namespace walla
