#include "extract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <unordered_set>

#include "archive_damaged.h"
#include "entry_path.h"
#include "posix_error.h"
#include "private_directory.h"
#include "unique_fd.h"

namespace walla {

namespace {

/// A path for a message: an archive's names can be long, and hold what a terminal obeys.
std::string printable(std::string_view path) {
  constexpr size_t kMostBytes = 200;
  std::string text(path.substr(0, kMostBytes));
  for (char& byte : text) {
    if (static_cast<uint8_t>(byte) < 32 || static_cast<uint8_t>(byte) >= 127) byte = '?';
  }
  return path.size() > kMostBytes ? text + "..." : text;
}

/// The directory a new file goes to, and the file's name in it.
struct Place {
  UniqueFd directory;
  std::string name;
};

/// Makes the directories of a path below `rootFd`. Follows no link: one in the way is an error.
Place makeParents(int rootFd, std::string_view path) {
  if (!isSafeEntryPath(path)) {
    throw ArchiveDamaged("entry path '" + printable(path) + "' leads out of the archive");
  }
  UniqueFd directory(openat(rootFd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) throwErrno("open", describeFd(rootFd));
  for (size_t slash; (slash = path.find('/')) != path.npos; path.remove_prefix(slash + 1)) {
    const std::string name(path.substr(0, slash));
    const bool made = mkdirat(directory.get(), name.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) {
      throwErrno("mkdir", describeFd(directory.get()) + "/" + name);
    }
    UniqueFd child(
        openat(directory.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // A file or a link stands there: two entries want the same name, or somebody planted it.
    if (!child.valid() && errno == ENOTDIR) {
      throw ArchiveDamaged("the directory of entry '" + printable(path) + "' is none");
    }
    if (!child.valid()) throwErrno("open", describeFd(directory.get()) + "/" + name);
    if (made) undoUmask(child.get());
    directory = std::move(child);
  }
  return {std::move(directory), std::string(path)};
}

/// A file or link under a name of its own until it is renamed; removes it if it never is.
class Aside {
 public:
  explicit Aside(const Place& place) : place_(place) { nextName(); }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  ~Aside() {
    if (exists_) unlinkat(place_.directory.get(), name_, 0);
  }

  UniqueFd createFile() {
    for (;; nextName()) {
      UniqueFd file(openat(place_.directory.get(), name_,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700));
      if (file.valid()) {
        exists_ = true;
        return file;
      }
      if (errno != EEXIST) throwErrno("open", describe());
    }
  }
  void createLink(const std::string& text) {
    for (;; nextName()) {
      if (symlinkat(text.c_str(), place_.directory.get(), name_) == 0) {
        exists_ = true;
        return;
      }
      if (errno != EEXIST) throwErrno("symlink", describe());
    }
  }
  void publish() {
    const int at = place_.directory.get();
    if (renameat(at, name_, at, place_.name.c_str()) != 0) throwErrno("rename", describe());
    exists_ = false;
  }
  std::string describe() const { return describeFd(place_.directory.get()) + "/" + place_.name; }

 private:
  // The process id alone is not enough: threads, and containers that share a tmpfs.
  void nextName() {
    static std::atomic<unsigned> counter{0};
    std::snprintf(name_, sizeof name_, ".walla-%ld-%u", static_cast<long>(getpid()), counter++);
  }

  const Place& place_;
  char name_[48];
  bool exists_ = false;
};

void writeAll(int fd, const uint8_t* data, uint64_t bytes, const Aside& aside) {
  // Linux writes at most 2 GiB at a time.
  constexpr uint64_t kMostBytes = uint64_t{1} << 30;
  while (bytes > 0) {
    const ssize_t written = write(fd, data, static_cast<size_t>(std::min(bytes, kMostBytes)));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throwErrno("write", aside.describe());
    data += written;
    bytes -= static_cast<uint64_t>(written);
  }
}

bool isThere(const Place& place, uint64_t size) {
  struct stat status;
  return fstatat(place.directory.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) == size;
}

/// @returns false when the file was there already
bool writeEntry(const MappedImage& image, const Entry& entry, int rootFd) {
  const Place place = makeParents(rootFd, entry.path);
  if (isThere(place, entry.size)) return false;
  Aside aside(place);
  const UniqueFd file = aside.createFile();
  writeAll(file.get(), image.data(entry), entry.size, aside);
  if (fchmod(file.get(), 0700) != 0) throwErrno("chmod", aside.describe());
  aside.publish();
  return true;
}

/// Text of a link at `from` that leads to `to`, both relative to the same root.
std::string relativePath(std::string_view from, std::string_view to) {
  for (size_t slash; (slash = from.find('/')) != from.npos;) {
    if (to.substr(0, slash + 1) != from.substr(0, slash + 1)) break;
    from.remove_prefix(slash + 1);
    to.remove_prefix(slash + 1);
  }
  std::string text;
  for (const char byte : from) {
    if (byte == '/') text.append("../");
  }
  text.append(to);
  return text.empty() ? "." : text;
}

/// The text is made from checked paths, not taken from the archive, so it cannot lead out.
void writeLink(const Entry& link, const Entry& target, int rootFd) {
  if (!isSafeEntryPath(target.path)) return;
  const Place place = makeParents(rootFd, link.path);
  const std::string text = relativePath(link.path, target.path);
  struct stat status;
  if (fstatat(place.directory.get(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return;
  Aside aside(place);
  aside.createLink(text);
  aside.publish();
}

}  // namespace

uint64_t elfBytes(const MappedImage& image) {
  const Index& index = image.index();
  uint64_t bytes = 0;
  Entry entry;
  for (uint32_t i = 0; i < index.entryCount(); ++i) {
    if (index.entry(i, &entry) && entry.isFile() && entry.has(layout::kFlagElf))
      bytes += entry.size;
  }
  return bytes;
}

Extracted extractElf(const MappedImage& image, int directoryFd) {
  const Index& index = image.index();
  Extracted result;
  std::unordered_set<std::string_view> holding;
  Entry entry;
  for (uint32_t i = 0; i < index.entryCount(); ++i) {
    if (!index.entry(i, &entry) || !entry.isFile() || !entry.has(layout::kFlagElf)) continue;
    if (writeEntry(image, entry, directoryFd)) {
      ++result.files;
      result.bytes += entry.size;
    }
    std::string_view path = entry.path;
    while (holding.insert(path).second) {
      const size_t slash = path.rfind('/');
      if (slash == path.npos) break;
      path = path.substr(0, slash);
    }
  }
  if (holding.empty()) return result;
  Entry target;
  for (uint32_t i = 0; i < index.entryCount(); ++i) {
    if (!index.entry(i, &entry) || !entry.isLink() || !index.entry(entry.linkTarget, &target)) {
      continue;
    }
    if (holding.count(target.path) > 0) writeLink(entry, target, directoryFd);
  }
  return result;
}

void materialize(const MappedImage& image, uint32_t number, int directoryFd) {
  Entry entry;
  if (!image.index().entry(number, &entry) || !entry.isFile()) {
    throw ArchiveDamaged("entry " + std::to_string(number) + " is no packed file");
  }
  writeEntry(image, entry, directoryFd);
}

}  // namespace walla
