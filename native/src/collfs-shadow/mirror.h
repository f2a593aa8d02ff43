#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace walla::shadow {

struct MirrorCounts {
  std::uint64_t files = 0;   // with a copy in memory
  std::uint64_t bytes = 0;   // of these
  std::uint64_t others = 0;  // known by name, left on the shared file system
};

/// Shows directories of the shared file system in a directory of this node, for the audit library:
/// the same names, links to copies in memory for files, links to the originals for the rest. Copies
/// stay as long as this process keeps its descriptors.
class Mirror {
 public:
  /// @param stage the directory, which exists where `builds`
  /// @param paths clean absolute names of directories
  /// @param all copy every file, not only those named like libraries and addons
  /// @param builds this rank makes the links of its node; the others take part in the calls
  Mirror(std::string stage, std::vector<std::string> paths, bool all, bool builds);

  /// Collective on the communicator on top of collfs's stack.
  /// @returns what went wrong, the same on all ranks, or ''
  std::string fill();

  /// What went wrong on this rank alone: '' or a sentence. fill() does not stop for it.
  const std::string& ownFailure() const { return ownFailure_; }
  const MirrorCounts& counts() const { return counts_; }

 private:
  std::string fillDirectory(const std::string& path, std::vector<std::string>& below);
  std::string copyFiles(const std::vector<std::string>& files);
  void makeDirectory(const std::string& path);
  void makeLink(const std::string& path, const std::string& target);
  void copyLink(const std::string& path);
  bool wants(const char* name) const;

  const std::string stage_;
  const std::vector<std::string> paths_;
  const bool all_;
  const bool builds_;
  std::string list_;  // of the paths, with colons between
  std::string ownFailure_;
  MirrorCounts counts_;
};

}  // namespace walla::shadow
