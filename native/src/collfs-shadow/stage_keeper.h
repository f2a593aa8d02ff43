#pragma once

#include <sys/types.h>

#include <string>

namespace walla::shadow {

/// A child process that removes the stage of this node when this process ends, however it ends.
/// To be made before MPI is initialized, which does not like processes to fork.
class StageKeeper {
 public:
  /// @throws PosixError
  explicit StageKeeper(const std::string& stage);
  /// Has the stage removed, and waits for it.
  ~StageKeeper();
  StageKeeper(const StageKeeper&) = delete;
  StageKeeper& operator=(const StageKeeper&) = delete;

  /// Makes the stage, an empty directory of mode 0700. @returns errno; EEXIST whoever made it
  int makeStage();

 private:
  const std::string stage_;
  int pipe_ = -1;
  pid_t child_ = -1;
};

}  // namespace walla::shadow
