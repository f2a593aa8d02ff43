#include "entry_path.h"

#include <limits.h>

namespace walla {

namespace {

// removeTree holds a descriptor for each level.
constexpr int kMostComponents = 256;

}  // namespace

bool isSafeEntryPath(std::string_view path) noexcept {
  if (path.size() >= PATH_MAX || path.find('\0') != path.npos) return false;
  for (int components = 0; components < kMostComponents; ++components) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name.size() > NAME_MAX || name == "." || name == "..") return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
  return false;
}

}  // namespace walla
