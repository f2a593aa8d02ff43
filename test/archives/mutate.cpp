// Damages an archive in random ways and asks the native core everything there is to ask of the
// result. Run under sanitizers; prints how often each outcome came:
//
//     mutate ARCHIVE BODY-OFFSET COUNT SEED
//
// A mutation that is not signed again must be refused by a digest or be no change at all. One that
// is signed again, as the author of an archive can, must be refused, miss, or serve bytes that lie
// inside the image; and whatever is extracted must stay inside its directory.

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../native/src/archive_damaged.h"
#include "../../native/src/extract.h"
#include "../../native/src/file_copy.h"
#include "../../native/src/freshness.h"
#include "../../native/src/mapped_image.h"
#include "../../native/src/piece_digest.h"
#include "../../native/src/posix_error.h"
#include "../../native/src/private_directory.h"
#include "../../native/src/stored_index.h"

using namespace walla;
using namespace walla::layout;

namespace {

// The mappings of a process stay until it ends, so that each batch has a process of its own.
constexpr int kBatch = 250;
// Generous: a machine may be busy, and sanitizers are slow. A hang takes longer.
constexpr unsigned kBatchSeconds = 300;

using Bytes = std::vector<uint8_t>;

void require(bool right, const char* what) {
  if (!right) throw std::logic_error(what);
}

Bytes readFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  require(file.valid() && fstat(file.get(), &status) == 0, "the archive cannot be read");
  Bytes bytes(static_cast<size_t>(status.st_size));
  require(pread(file.get(), bytes.data(), bytes.size(), 0) == status.st_size, "a short read");
  return bytes;
}

std::string digestOf(const Bytes& bytes, size_t from) {
  from = std::min(from, bytes.size());
  return pieceDigestHex(bytes.data() + from, bytes.size() - from);
}

enum Kind { kFlip, kSet, kTruncate, kExtend, kDuplicate, kSplice, kKinds };
const char* const kKindNames[kKinds] = {"flip", "set", "truncate", "extend", "duplicate", "splice"};

class Mutator {
 public:
  Mutator(const Bytes& original, size_t bodyOffset, uint32_t seed)
      : original_(original), bodyOffset_(bodyOffset), random_(seed) {
    uint64_t indexBytes;
    std::memcpy(&indexBytes, &original_[bodyOffset + 512 + 16], 8);
    indexEnd_ = bodyOffset + 512 + static_cast<size_t>(indexBytes);
  }

  Bytes mutate(Kind kind) {
    Bytes bytes = original_;
    switch (kind) {
      case kFlip:
        for (size_t i = 0, n = 1 + below(8); i < n; ++i) {
          bytes[place(bytes)] ^= static_cast<uint8_t>(1u << below(8));
        }
        break;
      case kSet:
        for (size_t i = 0, n = 1 + below(4); i < n; ++i) {
          static const uint64_t kNasty[] = {0,          1,           7,          0x7fffffff,
                                            0x80000000, 0xfffffffe,  0xffffffff, ~uint64_t{0},
                                            1u << 20,   bytes.size()};
          const size_t at = std::min(place(bytes) / 4 * 4, bytes.size() - 8);
          std::memcpy(&bytes[at], &kNasty[below(10)], below(2) == 0 ? 4 : 8);
        }
        break;
      case kTruncate:
        bytes.resize(below(2) == 0 ? below(bytes.size()) : bytes.size() - 1 - below(2048));
        break;
      case kExtend:
        for (size_t n = 1 + below(below(2) == 0 ? 16 : 4096); n > 0; --n) {
          bytes.push_back(below(2) == 0 ? 0 : static_cast<uint8_t>(random_()));
        }
        break;
      case kDuplicate: {
        const auto [from, count] = range(bytes);
        const Bytes copy(bytes.begin() + from, bytes.begin() + from + count);
        bytes.insert(bytes.begin() + from, copy.begin(), copy.end());
        break;
      }
      default: {
        const auto [from, count] = range(bytes);
        const Bytes copy(bytes.begin() + from, bytes.begin() + from + count);
        const size_t at = std::min(place(bytes) / 8 * 8, bytes.size() - copy.size());
        std::copy(copy.begin(), copy.end(), bytes.begin() + at);
      }
    }
    return bytes;
  }

  /// What an author of archives does, whose tools write right sizes and checksums.
  void sign(Bytes* bytes) {
    if (bytes->size() < indexEnd_ || below(4) == 0) return;
    const uint64_t imageBytes = bytes->size();
    std::memcpy(&(*bytes)[bodyOffset_ + 512 + 24], &imageBytes, 8);
    for (const size_t header : {size_t{0}, bodyOffset_}) {
      uint8_t* at = &(*bytes)[header];
      std::memset(at + 148, ' ', 8);
      unsigned sum = 0;
      for (int i = 0; i < 512; ++i) sum += at[i];
      std::snprintf(reinterpret_cast<char*>(at) + 148, 8, "%06o", sum & 0777777u);
    }
  }

  size_t below(size_t limit) { return random_() % limit; }

 private:
  /// Two of three mutations hit the index: the rest of an archive is mostly file content.
  size_t place(const Bytes& bytes) {
    const size_t end = std::min(bytes.size(), indexEnd_);
    switch (below(3)) {
      case 0:
        return below(bytes.size());
      case 1:
        return bodyOffset_ + 512 + below(kHeaderBytes + 8 * kEntryBytes);
      default:
        return bodyOffset_ + below(end - bodyOffset_);
    }
  }
  std::pair<size_t, size_t> range(const Bytes& bytes) {
    const size_t unit = below(2) == 0 ? 512 : kEntryBytes;
    const size_t from = place(bytes) / unit * unit;
    return {from, std::min((1 + below(4)) * unit, bytes.size() - from)};
  }

  const Bytes& original_;
  const size_t bodyOffset_;
  size_t indexEnd_;
  std::mt19937 random_;
};

/// Everything under a directory but what is below `except`, as one text: names, types and sizes.
void listTree(int at, const std::string& prefix, const std::string& except, std::string* out) {
  std::vector<std::string> names = listNames(at);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::string path = prefix + name;
    struct stat status;
    require(fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0, "stat");
    *out += path + ' ' + std::to_string(status.st_mode) + ' ' +
            (S_ISDIR(status.st_mode) ? "" : std::to_string(status.st_size)) + '\n';
    if (!S_ISDIR(status.st_mode) || path == except) continue;
    const UniqueFd child(openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    listTree(child.get(), path + '/', except, out);
  }
}

/// No link below the directory may lead out of it, and nothing may be special.
void checkInside(int at, size_t depth) {
  for (const std::string& name : listNames(at)) {
    struct stat status;
    require(fstatat(at, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0, "stat");
    require((status.st_mode & 07000) == 0, "setuid bits were made");
    if (S_ISLNK(status.st_mode)) {
      char text[4096];
      const ssize_t bytes = readlinkat(at, name.c_str(), text, sizeof text);
      require(bytes > 0 && text[0] != '/', "a link with an absolute target was made");
      const std::string target(text, static_cast<size_t>(bytes));
      size_t up = 0;
      for (size_t p = 0; target.compare(p, 3, "../") == 0; p += 3) ++up;
      require(up <= depth, "a link that leads out was made");
    } else if (S_ISDIR(status.st_mode)) {
      const UniqueFd child(openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      checkInside(child.get(), depth + 1);
    } else {
      require(S_ISREG(status.st_mode), "a special file was made");
    }
  }
}

struct Scratch {
  UniqueFd directory;
  std::string path;
};

volatile uint64_t sink;

void touch(std::string_view text) {
  uint64_t sum = 0;
  for (const char byte : text) sum += static_cast<uint8_t>(byte);
  sink = sink + sum;
}

/// Asks an index everything.
void ask(const Index& index, uint64_t imageBytes) {
  Entry entry;
  for (uint32_t i = 0; i < index.entryCount(); ++i) {
    if (!index.entry(i, &entry)) continue;
    touch(entry.path);
    touch(entry.linkText);
    if (entry.isFile()) {
      require(entry.dataOffset <= imageBytes && entry.size <= imageBytes - entry.dataOffset,
              "content outside of the image");
    }
    for (uint32_t k = 0; k < std::min<uint32_t>(entry.listingCount, 1000); ++k) {
      ListingRecord record;
      if (index.listing(entry.listingFirst + k, &record)) touch(record.name);
    }
    for (const bool follow : {false, true}) {
      const int64_t found = index.find(entry.path, follow);
      require(found >= kNotDirectory && found < index.entryCount(), "an impossible answer");
    }
    index.find(std::string(entry.path) + "/gone", true);
    index.find(std::string(entry.path) + "/../gone", true);
  }
  for (uint64_t slot = 0; slot < index.resolutionSlots(); ++slot) {
    Resolution resolution;
    if (!index.resolution(slot, &resolution)) continue;
    touch(resolution.specifier);
    touch(resolution.text);
    for (uint32_t directory = 0; directory < std::min(index.entryCount(), 20u); ++directory) {
      index.resolve(kKindImport, directory, resolution.specifier);
      index.resolve(kKindRequire, directory, resolution.specifier);
    }
  }
}

UniqueFd fileOf(const Bytes& bytes) {
  UniqueFd file(memfd_create("image", MFD_CLOEXEC));
  require(file.valid() && ftruncate(file.get(), static_cast<off_t>(bytes.size())) == 0, "memfd");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote =
        pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    require(wrote > 0, "a short write");
    done += static_cast<size_t>(wrote);
  }
  return file;
}

/// A heap block of exactly the index's size, so that the sanitizer sees each read past it.
void askCopy(const Bytes& bytes, size_t bodyOffset) {
  if (bytes.size() < bodyOffset + 512 + kHeaderBytes) return;
  uint64_t said;
  std::memcpy(&said, &bytes[bodyOffset + 512 + 16], 8);
  const size_t room = bytes.size() - bodyOffset - 512;
  const size_t count = static_cast<size_t>(std::min<uint64_t>(said, room));
  std::unique_ptr<uint8_t[]> copy(new uint8_t[count]);
  std::memcpy(copy.get(), &bytes[bodyOffset + 512], count);
  const Index index(copy.get(), count, bytes.size());
  ask(index, bytes.size());
}

/// Does all that staging does with an image whose digests are right.
void serve(const Bytes& bytes, size_t bodyOffset, const Scratch& scratch) {
  const UniqueFd file = fileOf(bytes);
  const StoredIndex stored = StoredIndex::read(file.get());
  FreshnessOptions options;
  options.limit = 8;
  checkFresh(stored.index(), scratch.path + "/tree", options);

  const MappedImage& image = MappedImage::open(file.get());
  askCopy(bytes, bodyOffset);
  ask(image.index(), image.bytes());
  const UniqueFd target = openPrivateDirectory(scratch.directory.get(), "target", true);
  try {
    extractElf(image, target.get());
  } catch (const ArchiveDamaged&) {
  } catch (const PosixError&) {
    // Two entries that want to be both file and directory, for instance.
  }
  Entry entry;
  for (uint32_t i = 0; i < std::min(image.index().entryCount(), 40u); ++i) {
    if (!image.index().entry(i, &entry) || !entry.isFile()) continue;
    touch({reinterpret_cast<const char*>(image.data(entry)), static_cast<size_t>(entry.size)});
    try {
      materialize(image, i, target.get());
    } catch (const ArchiveDamaged&) {
    } catch (const PosixError&) {
    }
  }
  checkInside(target.get(), 0);
  removeTree(scratch.directory.get(), "target");
}

struct Counts {
  uint64_t same = 0;
  uint64_t refusedByDigest = 0;
  uint64_t refusedByChecks = 0;
  uint64_t served = 0;
};

/// One process's share. @returns what came of it
Counts runBatch(const Bytes& original, size_t bodyOffset, int first, int count, uint32_t seed,
                const Scratch& scratch) {
  Counts counts;
  const std::string identity = digestOf(original, 0);
  const std::string body = digestOf(original, bodyOffset);
  for (int i = first; i < first + count; ++i) {
    Mutator mutator(original, bodyOffset, seed + static_cast<uint32_t>(i));
    const Kind kind = static_cast<Kind>(i % kKinds);
    Bytes bytes = mutator.mutate(kind);
    try {
      if (i / kKinds % 2 == 0) {
        // As a node leader receives it: copied and hashed in step, then compared.
        const UniqueFd source = fileOf(bytes);
        const UniqueFd target = fileOf(Bytes(original.size()));
        bool right = false;
        try {
          right = copyFile(source.get(), target.get(), original.size(), bodyOffset) == body;
        } catch (const ArchiveDamaged&) {
        }
        right = right && bytes.size() == original.size() && digestOf(bytes, 0) == identity;
        require(right == (bytes == original), "a damaged archive passed its digests");
        ++(right ? counts.same : counts.refusedByDigest);
        continue;
      }
      mutator.sign(&bytes);
      try {
        serve(bytes, bodyOffset, scratch);
        ++counts.served;
      } catch (const ArchiveDamaged&) {
        ++counts.refusedByChecks;
      }
    } catch (const std::exception& error) {
      std::fprintf(stderr, "mutation %d (%s) of seed %u: %s\n", i, kKindNames[kind], seed,
                   error.what());
      throw;
    }
  }
  return counts;
}

int runAll(const std::string& archive, size_t bodyOffset, int count, uint32_t seed) {
  const Bytes original = readFile(archive);
  char pattern[] = "/tmp/walla-mutate-XXXXXX";
  require(mkdtemp(pattern) != nullptr, "mkdtemp");
  const Scratch scratch{UniqueFd(open(pattern, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), pattern};
  require(mkdirat(scratch.directory.get(), "tree", 0700) == 0, "mkdir");
  const UniqueFd canary(openat(scratch.directory.get(), "canary", O_CREAT | O_WRONLY, 0600));
  require(write(canary.get(), "alive", 5) == 5, "write");
  std::string before;
  listTree(scratch.directory.get(), "", "", &before);

  Counts total;
  int failures = 0;
  for (int first = 0; first < count; first += kBatch) {
    int result[2];
    require(pipe2(result, O_CLOEXEC) == 0, "pipe");
    const pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
      alarm(kBatchSeconds);
      try {
        const int share = std::min(kBatch, count - first);
        const Counts counts = runBatch(original, bodyOffset, first, share, seed, scratch);
        _exit(write(result[1], &counts, sizeof counts) == sizeof counts ? 0 : 1);
      } catch (const std::exception&) {
        _exit(1);
      }
    }
    close(result[1]);
    Counts counts;
    const bool whole = read(result[0], &counts, sizeof counts) == sizeof counts;
    close(result[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      total.same += counts.same;
      total.refusedByDigest += counts.refusedByDigest;
      total.refusedByChecks += counts.refusedByChecks;
      total.served += counts.served;
    } else {
      ++failures;
      std::fprintf(stderr, "mutations from %d on: %s %d\n", first,
                   WIFSIGNALED(status) ? "signal" : "exit code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
  }
  std::string after;
  listTree(scratch.directory.get(), "", "", &after);
  if (before != after) {
    ++failures;
    std::fprintf(stderr, "something was written outside of the staging directory:\n%s",
                 after.c_str());
  }
  const UniqueFd parent(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  removeTree(parent.get(), scratch.path.substr(5));
  std::printf(
      "{\"mutations\":%d,\"failures\":%d,\"same\":%llu,\"refusedByDigest\":%llu,"
      "\"refusedByChecks\":%llu,\"served\":%llu}\n",
      count, failures, static_cast<unsigned long long>(total.same),
      static_cast<unsigned long long>(total.refusedByDigest),
      static_cast<unsigned long long>(total.refusedByChecks),
      static_cast<unsigned long long>(total.served));
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: mutate ARCHIVE BODY-OFFSET COUNT SEED\n");
    return 2;
  }
  return runAll(argv[1], std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]),
                static_cast<uint32_t>(std::strtoul(argv[4], nullptr, 10)));
}
