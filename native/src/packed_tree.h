#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mapped_image.h"

namespace walla {

/// A mapped image as it stands in the file system: under one or more absolute directories that all
/// mean the archive's root. The image must outlive it.
class PackedTree {
 public:
  /// @param roots absolute; the first one makes absolute paths
  PackedTree(const MappedImage& image, std::vector<std::string> roots);

  const MappedImage& image() const noexcept { return image_; }
  const Index& index() const noexcept { return image_.index(); }

  /// Index::find for an absolute path.
  int64_t find(std::string_view path, bool follow) const noexcept;
  /// Index::resolve for an importing file given by its absolute path.
  int64_t resolve(uint8_t kind, std::string_view parentPath,
                  std::string_view specifier) const noexcept;
  /// Under the first root.
  std::string absolute(std::string_view path) const;

 private:
  const MappedImage& image_;
  // Without trailing slashes, so '/' is empty here.
  std::vector<std::string> roots_;
};

}  // namespace walla
