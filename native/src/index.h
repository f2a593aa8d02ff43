#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "index_layout.h"
#include "path_hash.h"

namespace walla {

/// One record of the index, checked: every string lies in the string table, every number of another
/// record is in range or kNone, a file's data lies in the image. Views point into the index.
struct Entry {
  std::string_view path;
  uint64_t dataOffset = 0;
  uint64_t size = 0;
  int64_t mtimeNs = 0;
  uint32_t mode = 0;
  uint32_t linkTarget = layout::kNone;
  std::string_view linkText;
  uint32_t listingFirst = 0;
  uint32_t listingCount = 0;
  uint32_t scope = layout::kNone;
  uint8_t format = 0;
  uint8_t flags = 0;

  bool isFile() const noexcept { return S_ISREG(mode); }
  bool isDirectory() const noexcept { return S_ISDIR(mode); }
  bool isLink() const noexcept { return S_ISLNK(mode); }
  bool has(uint8_t flag) const noexcept { return (flags & flag) != 0; }
};

struct ListingRecord {
  std::string_view name;
  uint32_t entry = layout::kNone;
  uint8_t type = 0;
};

struct Resolution {
  std::string_view specifier;
  uint8_t outcome = 0;
  uint32_t entry = layout::kNone;
  std::string_view text;
};

/// Answers of Index::find that are not an entry.
constexpr int64_t kUnknown = -1;
constexpr int64_t kAbsent = -2;
constexpr int64_t kNotDirectory = -3;

/// Reads an index where it lies. Owns nothing: the bytes must outlive it and must not change.
/// Whatever the bytes are, no lookup reads outside of them; lookups allocate nothing and take no
/// locks. A damaged record is a miss.
class Index {
 public:
  /// @param imageBytes size of the archive that holds the index
  /// @throws ArchiveDamaged when the header is not right
  Index(const uint8_t* bytes, uint64_t indexBytes, uint64_t imageBytes);

  uint32_t entryCount() const noexcept { return static_cast<uint32_t>(sections_[0].count); }
  /// Resolutions in the table. Counted on each call.
  uint64_t resolutionCount() const noexcept;
  /// Slots that `resolution` can be asked for; many are empty.
  uint64_t resolutionSlots() const noexcept { return sections_[3].count; }

  /// @returns false when there is no such record, or it is damaged
  bool entry(uint32_t number, Entry* out) const noexcept;
  bool listing(uint32_t number, ListingRecord* out) const noexcept;

  /// Entry that stands at exactly this path, relative to the root; kNone if there is none.
  uint32_t lookup(std::string_view path, Entry* out) const noexcept;
  /// Walks a path relative to the root, through links in every component but (unless `follow`) the
  /// last.
  /// @returns entry number, kUnknown, kAbsent or kNotDirectory
  int64_t find(std::string_view path, bool follow) const noexcept;

  /// @param directory entry of the directory that holds the importing file
  /// @returns entry number of a plain file, kUnknown for a miss, else -(slot + 2)
  int64_t resolve(uint8_t kind, uint32_t directory, std::string_view specifier) const noexcept;
  /// @returns false when the slot is none, empty or damaged
  bool resolution(uint64_t slot, Resolution* out) const noexcept;

 private:
  struct Span {
    const uint8_t* at = nullptr;
    uint64_t count = 0;
  };

  bool string(uint32_t offset, uint32_t bytes, std::string_view* out) const noexcept;
  uint32_t probe(uint32_t hash, std::string_view base, std::string_view rest,
                 Entry* out) const noexcept;
  int64_t final(uint32_t number, const Entry& entry, bool follow) const noexcept;
  int64_t missing(const Entry& parent, std::string_view name) const noexcept;
  int64_t walk(std::string_view path, bool follow) const noexcept;

  uint64_t imageBytes_;
  Span sections_[layout::kSectionCount];
};

}  // namespace walla
