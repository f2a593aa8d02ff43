// What collfs has to report besides an errno of root.
#pragma once

#include <stdexcept>
#include <string>

#include "collfs.h"

namespace walla::collfs {

/// A failure with a code, the same on all ranks of a collective call.
class Failure : public std::runtime_error {
 public:
  Failure(collfs_code code, int errorNumber, int rank, const std::string& message,
          std::string hint = {})
      : std::runtime_error(message),
        code_(code),
        errorNumber_(errorNumber),
        rank_(rank),
        hint_(std::move(hint)) {}

  collfs_code code() const { return code_; }
  int errorNumber() const { return errorNumber_; }
  /// In the communicator; -1 if it is no single rank's.
  int rank() const { return rank_; }
  const std::string& hint() const { return hint_; }

 private:
  collfs_code code_;
  int errorNumber_;
  int rank_;
  std::string hint_;
};

/// "ERR_COLLFS_DIVERGED"
const char* nameOf(collfs_code code);

/// Of this machine.
const std::string& hostName();

}  // namespace walla::collfs
