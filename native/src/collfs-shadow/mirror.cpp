#include "mirror.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#define COLLFS_NO_MPI
#include "../collfs/collfs.h"
#include "stage_name.h"

namespace walla::shadow {
namespace {

constexpr std::size_t kBatch = 256;

std::string because(const std::string& what, int code) { return what + ": " + strerror(code); }

unsigned char typeOf(const std::string& path, unsigned char type) {
  struct stat status;
  // Not every file system says it in the directory.
  if (type != DT_UNKNOWN || collfs_lstat(path.c_str(), &status) != 0) return type;
  return static_cast<unsigned char>(IFTODT(status.st_mode));
}

}  // namespace

Mirror::Mirror(std::string stage, std::vector<std::string> paths, bool all, bool builds)
    : stage_(std::move(stage)), paths_(std::move(paths)), all_(all), builds_(builds) {
  for (const std::string& path : paths_) list_ += (list_.empty() ? "" : ":") + path;
}

std::string Mirror::fill() {
  for (const std::string& path : paths_) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      makeDirectory(path.substr(0, slash));
    }
    std::vector<std::string> directories{path};
    while (!directories.empty()) {
      const std::string directory = std::move(directories.back());
      directories.pop_back();
      const std::string problem = fillDirectory(directory, directories);
      if (!problem.empty()) return problem;
    }
  }
  return {};
}

std::string Mirror::fillDirectory(const std::string& path, std::vector<std::string>& below) {
  const std::unique_ptr<collfs_dir, decltype(&collfs_closedir)> directory(
      collfs_opendir(path.c_str()), collfs_closedir);
  if (!directory) {
    const bool isPath = std::find(paths_.begin(), paths_.end(), path) != paths_.end();
    if (isPath || collfs_last_error()->code != COLLFS_OK) return because(path, errno);
    makeLink(path, path);
    return {};
  }
  makeDirectory(path);
  std::vector<std::string> files;
  while (const struct dirent* entry = collfs_readdir(directory.get())) {
    const char* name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    const std::string child = path + "/" + name;
    switch (typeOf(child, entry->d_type)) {
      case DT_DIR:
        below.push_back(child);
        break;
      case DT_LNK:
        copyLink(child);
        break;
      case DT_REG:
        if (wants(name)) {
          files.push_back(child);
          break;
        }
        [[fallthrough]];
      default:
        makeLink(child, child);
        counts_.others++;
    }
  }
  return copyFiles(files);
}

std::string Mirror::copyFiles(const std::vector<std::string>& files) {
  for (std::size_t at = 0; at < files.size(); at += kBatch) {
    const std::size_t count = std::min(kBatch, files.size() - at);
    std::vector<const char*> paths;
    for (std::size_t i = 0; i < count; i++) paths.push_back(files[at + i].c_str());
    std::vector<int> fds(count);
    std::vector<int> errors(count);
    if (collfs_open_many(count, paths.data(), O_RDONLY | O_CLOEXEC, fds.data(), errors.data()) <
        0) {
      return because(files[at], errno);
    }
    for (std::size_t i = 0; i < count; i++) {
      if (fds[i] < 0) {
        makeLink(files[at + i], files[at + i]);
        counts_.others++;
        continue;
      }
      counts_.files++;
      counts_.bytes += static_cast<std::uint64_t>(lseek(fds[i], 0, SEEK_END));
      lseek(fds[i], 0, SEEK_SET);
      if (builds_) {
        const std::string self = "/proc/" + std::to_string(getpid()) + "/fd/";
        makeLink(files[at + i], self + std::to_string(fds[i]));
      } else {
        close(fds[i]);
      }
    }
  }
  return {};
}

void Mirror::makeDirectory(const std::string& path) {
  const std::string staged = stage_ + path;
  if (builds_ && mkdir(staged.c_str(), 0700) != 0 && errno != EEXIST && ownFailure_.empty()) {
    ownFailure_ = because("mkdir " + staged, errno);
  }
}

void Mirror::makeLink(const std::string& path, const std::string& target) {
  const std::string staged = stage_ + path;
  if (builds_ && symlink(target.c_str(), staged.c_str()) != 0 && ownFailure_.empty()) {
    ownFailure_ = because("symlink " + staged, errno);
  }
}

/// The copy of a link leads to the copy of what the link leads to, so that both are one file.
void Mirror::copyLink(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t bytes = collfs_readlink(path.c_str(), target, sizeof target - 1);
  Name clean;
  bool known = bytes > 0;
  if (known) {
    target[bytes] = '\0';
    const std::string directory = path.substr(0, path.rfind('/'));
    known = cleanName(target, directory.c_str(), clean);
  }
  if (!known) return makeLink(path, path);
  const bool inside = isBelow(clean.text, list_.c_str());
  makeLink(path, (inside ? stage_ : "") + clean.text);
}

bool Mirror::wants(const char* name) const {
  if (all_ || strstr(name, ".so") != nullptr) return true;
  const char* end = strrchr(name, '.');
  return end != nullptr && strcmp(end, ".node") == 0;
}

}  // namespace walla::shadow
