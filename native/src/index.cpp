#include "index.h"

#include <cstring>
#include <string>

#include "archive_damaged.h"

namespace walla {

using namespace layout;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the index is read as little-endian");

namespace {

template <typename Number>
Number load(const uint8_t* at) noexcept {
  Number number;
  std::memcpy(&number, at, sizeof number);
  return number;
}

void expect(bool right, const char* what) {
  if (!right) throw ArchiveDamaged(std::string("index: ") + what);
}

bool isPowerOfTwo(uint64_t number) { return number != 0 && (number & (number - 1)) == 0; }

// What the kernel allows; with more links on the way the real file system is asked.
constexpr int kMostLinks = 40;

bool joinedEquals(std::string_view path, std::string_view base, std::string_view rest) noexcept {
  if (base.empty()) return path == rest;
  return path.size() == base.size() + 1 + rest.size() && path.substr(0, base.size()) == base &&
         path[base.size()] == '/' && path.substr(base.size() + 1) == rest;
}

}  // namespace

Index::Index(const uint8_t* bytes, uint64_t indexBytes, uint64_t imageBytes)
    : imageBytes_(imageBytes) {
  static constexpr uint32_t kRecordBytes[kSectionCount] = {kEntryBytes, kPathSlotBytes,
                                                           kListingBytes, kResolutionSlotBytes, 1};
  expect(indexBytes >= kHeaderBytes, "shorter than its header");
  expect(std::memcmp(bytes, kMagic, 8) == 0, "wrong magic");
  expect(load<uint32_t>(bytes + 8) == kVersion, "another version");
  expect(load<uint32_t>(bytes + 12) == kHeaderBytes, "wrong header size");
  expect(load<uint64_t>(bytes + 16) == indexBytes, "its size is not that of its member");
  expect(load<uint64_t>(bytes + 24) == imageBytes, "the archive has another size");
  uint64_t end = kHeaderBytes;
  for (uint32_t i = 0; i < kSectionCount; ++i) {
    const uint64_t offset = load<uint64_t>(bytes + kSectionsAt + 16 * i);
    const uint64_t count = load<uint64_t>(bytes + kSectionsAt + 16 * i + 8);
    expect(offset % 8 == 0 && offset >= end && offset <= indexBytes, "a section is out of place");
    expect(count <= (indexBytes - offset) / kRecordBytes[i], "a section is cut off");
    sections_[i] = {bytes + offset, count};
    end = offset + count * kRecordBytes[i];
  }
  expect(sections_[kEntries].count < kNone, "too many entries");
  expect(isPowerOfTwo(sections_[kPathSlots].count), "path slots are no power of two");
  expect(isPowerOfTwo(sections_[kResolutions].count), "resolution slots are no power of two");
}

uint64_t Index::resolutionCount() const noexcept {
  const Span& slots = sections_[kResolutions];
  uint64_t count = 0;
  for (uint64_t i = 0; i < slots.count; ++i) count += slots.at[i * kResolutionSlotBytes + 16] != 0;
  return count;
}

bool Index::string(uint32_t offset, uint32_t bytes, std::string_view* out) const noexcept {
  const Span& strings = sections_[kStrings];
  if (uint64_t{offset} + bytes > strings.count) return false;
  *out = {reinterpret_cast<const char*>(strings.at) + offset, bytes};
  return true;
}

bool Index::entry(uint32_t number, Entry* out) const noexcept {
  const Span& entries = sections_[kEntries];
  if (number >= entries.count) return false;
  const uint8_t* at = entries.at + uint64_t{number} * kEntryBytes;
  Entry entry;
  if (!string(load<uint32_t>(at), load<uint32_t>(at + 4), &entry.path)) return false;
  entry.size = load<uint64_t>(at + 16);
  entry.mtimeNs = load<int64_t>(at + 24);
  entry.mode = load<uint32_t>(at + 32);
  entry.scope = load<uint32_t>(at + 56);
  entry.format = at[60];
  entry.flags = at[61];
  if (entry.scope != kNone && entry.scope >= entries.count) return false;
  if (entry.isFile()) {
    entry.dataOffset = load<uint64_t>(at + 8);
    if (entry.dataOffset > imageBytes_ || entry.size > imageBytes_ - entry.dataOffset) return false;
  } else if (entry.isLink()) {
    entry.linkTarget = load<uint32_t>(at + 36);
    if (entry.linkTarget != kNone && entry.linkTarget >= entries.count) return false;
    if (!string(load<uint32_t>(at + 40), load<uint32_t>(at + 44), &entry.linkText)) return false;
  } else if (entry.isDirectory()) {
    entry.listingFirst = load<uint32_t>(at + 48);
    entry.listingCount = load<uint32_t>(at + 52);
    if (uint64_t{entry.listingFirst} + entry.listingCount > sections_[kListings].count) {
      return false;
    }
  } else {
    return false;
  }
  *out = entry;
  return true;
}

bool Index::listing(uint32_t number, ListingRecord* out) const noexcept {
  const Span& listings = sections_[kListings];
  if (number >= listings.count) return false;
  const uint8_t* at = listings.at + uint64_t{number} * kListingBytes;
  ListingRecord record;
  if (!string(load<uint32_t>(at), load<uint32_t>(at + 4), &record.name)) return false;
  record.entry = load<uint32_t>(at + 8);
  record.type = at[12];
  if (record.entry != kNone && record.entry >= sections_[kEntries].count) return false;
  *out = record;
  return true;
}

uint32_t Index::probe(uint32_t hash, std::string_view base, std::string_view rest,
                      Entry* out) const noexcept {
  const Span& slots = sections_[kPathSlots];
  const uint64_t mask = slots.count - 1;
  uint64_t slot = hash & mask;
  for (uint64_t steps = 0; steps < slots.count; ++steps, slot = (slot + 1) & mask) {
    const uint8_t* at = slots.at + slot * kPathSlotBytes;
    const uint32_t number = load<uint32_t>(at + 4);
    if (number == kNone) return kNone;
    if (load<uint32_t>(at) != hash) continue;
    if (entry(number, out) && joinedEquals(out->path, base, rest)) return number;
  }
  return kNone;
}

uint32_t Index::lookup(std::string_view path, Entry* out) const noexcept {
  return probe(PathHash().add(path).value(), {}, path, out);
}

int64_t Index::find(std::string_view path, bool follow) const noexcept {
  Entry entry;
  const uint32_t number = lookup(path, &entry);
  if (number != kNone) return final(number, entry, follow);
  // Most misses are absent names in a directory that is packed.
  const size_t slash = path.rfind('/');
  const std::string_view parent = slash == path.npos ? std::string_view() : path.substr(0, slash);
  if (!path.empty() && lookup(parent, &entry) != kNone && entry.isDirectory()) {
    return missing(entry, path.substr(slash == path.npos ? 0 : slash + 1));
  }
  return walk(path, follow);
}

/// The answer for a path that ends at this entry.
int64_t Index::final(uint32_t number, const Entry& found, bool follow) const noexcept {
  if (!follow || !found.isLink()) return number;
  Entry target;
  if (!entry(found.linkTarget, &target) || target.isLink()) return kUnknown;
  return found.linkTarget;
}

/// The answer for a name that is no packed entry of this directory.
int64_t Index::missing(const Entry& parent, std::string_view name) const noexcept {
  if (name.empty() || !parent.has(kFlagComplete) || !parent.has(kFlagFrozen)) return kUnknown;
  uint32_t low = parent.listingFirst;
  uint32_t high = low + parent.listingCount;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    ListingRecord record;
    if (!listing(middle, &record)) return kUnknown;
    const int order = record.name.compare(name);
    if (order == 0) return kUnknown;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return kAbsent;
}

/// Component by component: the path so far is base + '/' + the first `done` bytes of rest.
int64_t Index::walk(std::string_view path, bool follow) const noexcept {
  std::string_view base;
  std::string_view rest = path;
  Entry parent;
  bool parentKnown = lookup(base, &parent) != kNone;
  PathHash hash;
  size_t done = 0;
  for (int links = 0;;) {
    if (done > 0 || !base.empty()) hash.addByte('/');
    const size_t start = done > 0 ? done + 1 : 0;
    const size_t slash = rest.find('/', start);
    const size_t end = slash == rest.npos ? rest.size() : slash;
    const std::string_view name = rest.substr(start, end - start);
    const bool last = end == rest.size();
    if (name.empty()) return kUnknown;  // Not normalized.
    hash.add(name);

    Entry entry;
    const uint32_t number = probe(hash.value(), base, rest.substr(0, end), &entry);
    if (number == kNone) {
      const int64_t answer = parentKnown ? missing(parent, name) : kUnknown;
      // Below a directory that is not packed there may still be one that is.
      if (last || answer == kAbsent) return answer;
      parentKnown = false;
      done = end;
      continue;
    }
    if (last) return final(number, entry, follow);
    if (entry.isLink()) {
      const uint32_t target = entry.linkTarget;
      if (++links > kMostLinks || !this->entry(target, &entry) || entry.isLink()) return kUnknown;
      base = entry.path;
      rest = rest.substr(end + 1);
      hash = PathHash().add(base);
      done = 0;
    } else {
      done = end;
    }
    if (!entry.isDirectory()) return kNotDirectory;
    parent = entry;
    parentKnown = true;
  }
}

int64_t Index::resolve(uint8_t kind, uint32_t directory,
                       std::string_view specifier) const noexcept {
  const Span& slots = sections_[kResolutions];
  const uint64_t mask = slots.count - 1;
  const uint32_t hash = PathHash().addNumber(directory).addByte(kind).add(specifier).value();
  uint64_t slot = hash & mask;
  for (uint64_t steps = 0; steps < slots.count; ++steps, slot = (slot + 1) & mask) {
    const uint8_t* at = slots.at + slot * kResolutionSlotBytes;
    if (at[16] == 0) return kUnknown;
    if (load<uint32_t>(at) != hash || at[16] != kind || load<uint32_t>(at + 4) != directory) {
      continue;
    }
    std::string_view name;
    if (!string(load<uint32_t>(at + 8), load<uint32_t>(at + 12), &name)) continue;
    if (name != specifier) continue;
    Resolution found;
    if (!resolution(slot, &found)) return kUnknown;
    const bool plain = found.outcome == kOutcomeFile && found.text.empty();
    return plain ? int64_t{found.entry} : -static_cast<int64_t>(slot) - 2;
  }
  return kUnknown;
}

bool Index::resolution(uint64_t slot, Resolution* out) const noexcept {
  const Span& slots = sections_[kResolutions];
  if (slot >= slots.count) return false;
  const uint8_t* at = slots.at + slot * kResolutionSlotBytes;
  if (at[16] == 0) return false;
  Resolution resolution;
  resolution.outcome = at[17];
  if (resolution.outcome < kOutcomeFile || resolution.outcome > kOutcomeAbsent) return false;
  if (!string(load<uint32_t>(at + 8), load<uint32_t>(at + 12), &resolution.specifier)) return false;
  if (!string(load<uint32_t>(at + 24), load<uint32_t>(at + 28), &resolution.text)) return false;
  if (resolution.outcome == kOutcomeFile) {
    Entry target;
    resolution.entry = load<uint32_t>(at + 20);
    if (!entry(resolution.entry, &target)) return false;
  }
  *out = resolution;
  return true;
}

}  // namespace walla
