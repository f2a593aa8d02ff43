#pragma once

#include <memory>
#include <string>

#include "freshness.h"

namespace walla {

/// checkFresh of an archive that begins at once on threads of its own, so that it costs no time
/// where the caller has something else to wait for, such as the start of MPI. Whoever loses
/// interest destroys it: the threads then end at the next entry, and nobody waits for them, because
/// an lstat of a file system that hangs does not return.
class FreshnessCheck {
 public:
  /// @param fd open archive; may be closed at once
  /// @throws PosixError when there are no descriptors left
  FreshnessCheck(int fd, std::string root, const FreshnessOptions& options);
  FreshnessCheck(const FreshnessCheck&) = delete;
  FreshnessCheck& operator=(const FreshnessCheck&) = delete;
  ~FreshnessCheck();

  struct Result {
    Freshness found;
    /// How long the check itself took, from its beginning to its end.
    double milliseconds = 0;
  };
  /// Waits for the end. May be called once.
  /// @throws what reading the index and checkFresh throw
  Result finish();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace walla
