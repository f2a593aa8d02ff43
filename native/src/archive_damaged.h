#pragma once

#include <stdexcept>

namespace walla {

/// The bytes of an archive are not what the format says. JavaScript sees ERR_WALLA_ARCHIVE_DAMAGED.
class ArchiveDamaged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace walla
