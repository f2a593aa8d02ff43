#include "freshness.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <limits>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "directory_stream.h"
#include "entry_path.h"
#include "posix_error.h"
#include "same_content.h"
#include "unique_fd.h"

namespace walla {

namespace {

using Reason = Difference::Reason;

using Clock = std::chrono::steady_clock;

constexpr uint32_t kBlockEntries = 16;
constexpr unsigned kMostThreads = 64;
constexpr uint32_t kEntriesPerThread = 64;
/// What a file system in memory answers, a few threads ask for as fast as many, and start earlier.
constexpr unsigned kFewThreads = 3;

/// The caller goes on meanwhile: one processor is its own.
unsigned fewThreads() {
  const unsigned processors = std::thread::hardware_concurrency();
  return std::clamp(processors, 2U, kFewThreads + 1) - 1;
}

/// A block that took longer has waited for a disk or a server.
constexpr std::chrono::microseconds kSlowBlock{kBlockEntries * 25};

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Modification time of the archive: what was changed later may differ from it.
int64_t timeOf(int archiveFd) {
  if (archiveFd < 0) return std::numeric_limits<int64_t>::max();
  struct stat status;
  if (fstat(archiveFd, &status) != 0) throwErrno("fstat", describeFd(archiveFd));
  return nanoseconds(status.st_mtim);
}

bool endsWith(std::string_view name, std::string_view end) {
  return name.size() > end.size() && name.substr(name.size() - end.size()) == end;
}

/// Endings of files that a specifier can name.
constexpr std::array<std::string_view, 9> kEndings = {".js",   ".cjs", ".mjs", ".json", ".node",
                                                      ".wasm", ".ts",  ".cts", ".mts"};

/// A name without the ending that CommonJS or a person may leave out.
std::string_view stemOf(std::string_view name) {
  for (const std::string_view end : kEndings) {
    if (endsWith(name, end)) return name.substr(0, name.size() - end.size());
  }
  return name;
}

bool isCode(std::string_view name) { return stemOf(name) != name && !endsWith(name, ".json"); }

/// Where package managers write down what they installed: npm, Yarn, pnpm, Bun.
constexpr std::array<std::string_view, 10> kLockFiles = {
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock",     "pnpm-lock.yaml",
    "bun.lock",          "bun.lockb",           ".modules.yaml", ".package-lock.json",
    ".yarn-integrity",   ".yarn-state.yml",
};

bool isLockFile(std::string_view name) {
  return std::find(kLockFiles.begin(), kLockFiles.end(), name) != kLockFiles.end();
}

/// The directory in which tools keep what they can make again.
constexpr std::string_view kCache = ".cache";

bool isNodeModules(std::string_view path) {
  return path == "node_modules" || endsWith(path, "/node_modules");
}

/// Last names of the specifiers that resolved to nothing: what has such a name can make one
/// resolve.
std::unordered_set<std::string_view> namesMissed(const Index& index) {
  std::unordered_set<std::string_view> names;
  for (uint64_t slot = 0; slot < index.resolutionSlots(); ++slot) {
    Resolution resolution;
    if (!index.resolution(slot, &resolution) || resolution.outcome != layout::kOutcomeAbsent)
      continue;
    const std::string_view specifier = resolution.specifier;
    names.insert(stemOf(specifier.substr(specifier.rfind('/') + 1)));
  }
  return names;
}

/// Whether one of a path's names is of a directory whose packages are not to be compared.
bool isOfPackages(std::string_view path, const FreshnessOptions& options) {
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (options.exceptPackages && name == "node_modules") return true;
    if (options.exceptZips && (name == "__virtual__" || endsWith(name, ".zip"))) return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

class Comparison {
 public:
  Comparison(const Index& index, int rootFd, const FreshnessOptions& options,
             const std::atomic<bool>* abandoned)
      : index_(index),
        rootFd_(rootFd),
        options_(options),
        packedNs_(timeOf(options.archiveFd)),
        abandoned_(abandoned) {}

  void run() {
    const unsigned useful = index_.entryCount() / kEntriesPerThread + 1;
    mostThreads_ = std::min({options_.threads, kMostThreads, useful});
    startThreads(std::min(mostThreads_, fewThreads()));
    work();
    // Whoever has not been joined yet can start more.
    for (size_t i = 0;; ++i) {
      std::unique_lock<std::mutex> lock(mutex_);
      if (i == others_.size()) break;
      std::thread other = std::move(others_[i]);
      lock.unlock();
      other.join();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  Freshness result() {
    std::sort(differences_.begin(), differences_.end(),
              [](const Difference& a, const Difference& b) { return a.path < b.path; });
    if (differences_.size() > options_.limit) differences_.resize(options_.limit);
    return {compared_, std::move(differences_)};
  }

 private:
  /// @param threads as many as are to be at work, the caller's own included
  void startThreads(unsigned threads) {
    const std::lock_guard<std::mutex> lock(mutex_);
    others_.reserve(threads);
    try {
      while (others_.size() + 1 < threads) others_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // A process limit: fewer threads do the same.
    }
  }

  void work() noexcept {
    try {
      while (!enough_ && !(abandoned_ != nullptr && *abandoned_)) {
        const uint64_t first = next_.fetch_add(kBlockEntries);
        if (first >= index_.entryCount()) return;
        const uint64_t end = std::min<uint64_t>(first + kBlockEntries, index_.entryCount());
        const Clock::time_point begin = Clock::now();
        for (uint64_t i = first; i < end && !enough_; ++i) compare(static_cast<uint32_t>(i));
        if (Clock::now() - begin > kSlowBlock && !slow_.exchange(true)) startThreads(mostThreads_);
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      failure_ = std::current_exception();
      enough_ = true;
    }
  }

  void compare(uint32_t number) {
    Entry entry;
    const bool whole = index_.entry(number, &entry);
    if (options_.locksOnly && whole) {
      const std::string_view name = entry.path.substr(entry.path.rfind('/') + 1);
      if (!entry.isFile() || (name != "package.json" && !isLockFile(name))) return;
    }
    if (whole && isOfPackages(entry.path, options_)) return;
    ++compared_;
    // A damaged record describes no file: pack again.
    if (!whole) return report("", Reason::changed);
    // The root itself has the empty path.
    if (!entry.path.empty() && !isSafeEntryPath(entry.path)) {
      return report(entry.path, Reason::changed);
    }
    const std::string path = entry.path.empty() ? "." : std::string(entry.path);
    struct stat status;
    const int flags = options_.followLinks ? 0 : AT_SYMLINK_NOFOLLOW;
    if (fstatat(rootFd_, path.c_str(), &status, flags) != 0) {
      const bool gone = errno == ENOENT || errno == ENOTDIR;
      return report(entry.path, gone ? Reason::removed : Reason::changed);
    }
    if ((status.st_mode & S_IFMT) != (entry.mode & S_IFMT) || !isSame(entry, path, status)) {
      report(entry.path, Reason::changed);
    }
  }

  /// Compares what has the same type; reports listings itself.
  bool isSame(const Entry& entry, const std::string& path, const struct stat& status) {
    if (entry.isLink()) return isSameLink(entry, path);
    const int64_t mtimeNs = nanoseconds(status.st_mtim);
    if (entry.isFile()) {
      if (static_cast<uint64_t>(status.st_size) != entry.size || mtimeNs != entry.mtimeNs) {
        return false;
      }
      return nanoseconds(status.st_ctim) <= packedNs_ ||
             isSameContent(options_.archiveFd, entry.dataOffset, entry.size, rootFd_, path,
                           options_.followLinks);
    }
    if (mtimeNs != entry.mtimeNs && entry.has(layout::kFlagComplete)) {
      compareListing(entry, path);
    }
    return true;
  }

  bool isSameLink(const Entry& entry, const std::string& path) {
    char text[PATH_MAX];
    const ssize_t bytes = readlinkat(rootFd_, path.c_str(), text, sizeof text);
    return bytes >= 0 && std::string_view(text, static_cast<size_t>(bytes)) == entry.linkText;
  }

  void compareListing(const Entry& entry, const std::string& path) {
    const int follow = options_.followLinks ? 0 : O_NOFOLLOW;
    const UniqueFd directory(
        openat(rootFd_, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow));
    if (!directory.valid()) return report(entry.path, Reason::changed);

    std::unordered_map<std::string_view, ListingRecord> packed;
    for (uint32_t i = 0; i < entry.listingCount; ++i) {
      ListingRecord record;
      if (!index_.listing(entry.listingFirst + i, &record)) {
        return report(entry.path, Reason::changed);
      }
      packed.emplace(record.name, record);
    }

    DirectoryStream stream(directory.get());
    while (const dirent* child = stream.next()) {
      const std::string_view name = child->d_name;
      const uint8_t type = typeOf(stream.fd(), *child);
      const auto at = packed.find(name);
      if (at == packed.end()) {
        if (counts(entry, name, type) && !isCache(stream.fd(), name, type)) {
          reportChild(entry, name, Reason::added);
        }
        continue;
      }
      const ListingRecord record = at->second;
      packed.erase(at);
      // A packed child is compared by itself.
      if (record.entry != layout::kNone || record.type == type) continue;
      if (counts(entry, name, type) || counts(entry, name, record.type)) {
        reportChild(entry, name, Reason::changed);
      }
    }
    for (const auto& [name, record] : packed) {
      if (record.entry == layout::kNone && counts(entry, name, record.type)) {
        reportChild(entry, name, Reason::removed);
      }
    }
  }

  /// Whether a name that came or went can change what some specifier resolves to.
  bool counts(const Entry& directory, std::string_view name, uint8_t type) const {
    if (name == ".walla") return false;
    if (options_.exceptPackages && name == "node_modules") return false;
    if (directory.has(layout::kFlagFrozen) || isLockFile(name)) return true;
    // A package; but not the caches that tools keep there.
    if (isNodeModules(directory.path) && type != DT_REG) return name.front() != '.';
    return name == "node_modules" || name == "package.json" || isCode(name) ||
           missed().count(stemOf(name)) > 0;
  }

  /// What a run of the program may leave in a package: `.cache`, also in a `node_modules` of its
  /// own.
  static bool isCache(int directoryFd, std::string_view name, uint8_t type) {
    if (type != DT_DIR) return false;
    if (name == kCache) return true;
    if (name != "node_modules") return false;
    const UniqueFd below(
        openat(directoryFd, "node_modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!below.valid()) return false;
    DirectoryStream names(below.get());
    while (const dirent* child = names.next()) {
      if (child->d_name != kCache) return false;
    }
    return true;
  }

  /// Made for the first directory that has changed: mostly none has.
  const std::unordered_set<std::string_view>& missed() const {
    std::call_once(missedOnce_, [this] { missed_ = namesMissed(index_); });
    return missed_;
  }

  /// Some file systems leave d_type out.
  static uint8_t typeOf(int directoryFd, const dirent& child) {
    struct stat status;
    if (child.d_type != DT_UNKNOWN) return child.d_type;
    if (fstatat(directoryFd, child.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
    return IFTODT(status.st_mode);
  }

  void reportChild(const Entry& directory, std::string_view name, Reason reason) {
    std::string path(directory.path);
    if (!path.empty()) path.push_back('/');
    report(path.append(name), reason);
  }

  void report(std::string_view path, Reason reason) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t limit = options_.limit;
    if (differences_.size() < limit) differences_.push_back({std::string(path), reason});
    if (differences_.size() >= limit) enough_ = true;
  }

  const Index& index_;
  mutable std::once_flag missedOnce_;
  mutable std::unordered_set<std::string_view> missed_;
  const int rootFd_;
  const FreshnessOptions options_;
  const int64_t packedNs_;
  const std::atomic<bool>* const abandoned_;
  std::atomic<uint64_t> next_{0};
  std::atomic<uint64_t> compared_{0};
  std::atomic<bool> enough_{false};
  std::atomic<bool> slow_{false};
  unsigned mostThreads_ = 1;
  std::mutex mutex_;
  std::vector<std::thread> others_;
  std::vector<Difference> differences_;
  std::exception_ptr failure_;
};

}  // namespace

Freshness checkFresh(const Index& index, const std::string& root, const FreshnessOptions& options,
                     const std::atomic<bool>* abandoned) {
  if (root.find('\0') != root.npos) throw PosixError(EINVAL, "open", root);
  const UniqueFd rootFd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!rootFd.valid()) throwErrno("open", root);
  Comparison comparison(index, rootFd.get(), options, abandoned);
  comparison.run();
  return comparison.result();
}

}  // namespace walla
