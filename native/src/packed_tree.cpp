#include "packed_tree.h"

#include <utility>

namespace walla {

namespace {

/// Strips the root off an absolute path. @returns false when the path is not under it
bool relativeTo(const std::string& root, std::string_view path, std::string_view* out) noexcept {
  if (path.substr(0, root.size()) != root) return false;
  path.remove_prefix(root.size());
  if (path.empty()) {
    *out = path;
    return !root.empty();
  }
  if (path.front() != '/') return false;
  *out = path.substr(1);
  return true;
}

}  // namespace

PackedTree::PackedTree(const MappedImage& image, std::vector<std::string> roots)
    : image_(image), roots_(std::move(roots)) {
  for (std::string& root : roots_) {
    while (!root.empty() && root.back() == '/') root.pop_back();
  }
}

int64_t PackedTree::find(std::string_view path, bool follow) const noexcept {
  for (const std::string& root : roots_) {
    std::string_view relative;
    if (!relativeTo(root, path, &relative)) continue;
    const int64_t found = index().find(relative, follow);
    if (found != kUnknown) return found;
  }
  return kUnknown;
}

int64_t PackedTree::resolve(uint8_t kind, std::string_view parentPath,
                            std::string_view specifier) const noexcept {
  const size_t slash = parentPath.rfind('/');
  if (slash == parentPath.npos) return kUnknown;
  const std::string_view directoryPath = parentPath.substr(0, slash == 0 ? 1 : slash);
  for (const std::string& root : roots_) {
    std::string_view relative;
    if (!relativeTo(root, directoryPath, &relative)) continue;
    Entry directory;
    const uint32_t number = index().lookup(relative, &directory);
    if (number == layout::kNone) continue;
    const int64_t found = index().resolve(kind, number, specifier);
    if (found != kUnknown) return found;
  }
  return kUnknown;
}

std::string PackedTree::absolute(std::string_view path) const {
  std::string text = roots_.empty() ? std::string() : roots_.front();
  if (!path.empty()) return text.append("/").append(path);
  return text.empty() ? "/" : text;
}

}  // namespace walla
