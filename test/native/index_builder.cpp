#include "index_builder.h"

#include <dirent.h>

#include <cstdio>
#include <cstring>
#include <utility>

#include "../../native/src/path_hash.h"

using namespace walla;
using namespace walla::layout;

namespace {

template <typename Number>
void put(std::string* out, Number number) {
  out->append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <typename Number>
void putAt(std::string* out, size_t at, Number number) {
  std::memcpy(&(*out)[at], &number, sizeof number);
}

uint64_t roundUp(uint64_t bytes) { return (bytes + 511) / 512 * 512; }

uint32_t slotCount(size_t used) {
  uint32_t count = 2;
  while (count < used * 2) count *= 2;
  return count;
}

std::string tarHeader(const char* name, uint64_t bytes) {
  std::string header(512, '\0');
  std::strcpy(&header[0], name);
  std::memcpy(&header[100], "0000644", 7);
  std::snprintf(&header[124], 12, "%011llo", static_cast<unsigned long long>(bytes));
  std::memset(&header[148], ' ', 8);
  header[156] = '0';
  std::memcpy(&header[257],
              "ustar\0"
              "00",
              8);
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<uint8_t>(byte);
  std::snprintf(&header[148], 8, "%06o", sum);
  return header;
}

const std::string kManifest = "{\"format\":1}\n";

}  // namespace

IndexBuilder& IndexBuilder::file(std::string path, std::string data, uint8_t flags) {
  Node node;
  node.path = path;
  node.data = std::move(data);
  node.flags = flags;
  nodes_[path] = node;
  return *this;
}

IndexBuilder& IndexBuilder::directory(std::string path, uint8_t flags,
                                      std::vector<std::pair<std::string, uint8_t>> unpacked) {
  Node node;
  node.path = path;
  node.mode = S_IFDIR | 0755;
  node.flags = flags;
  node.unpacked = std::move(unpacked);
  nodes_[path] = node;
  return *this;
}

IndexBuilder& IndexBuilder::link(std::string path, std::string text, std::string target) {
  Node node;
  node.path = path;
  node.mode = S_IFLNK | 0777;
  node.linkText = std::move(text);
  node.linkTarget = std::move(target);
  nodes_[path] = node;
  return *this;
}

IndexBuilder& IndexBuilder::rule(Rule rule) {
  rules_.push_back(std::move(rule));
  return *this;
}

uint32_t IndexBuilder::number(const std::string& path) const {
  const auto at = nodes_.find(path);
  return at == nodes_.end() ? kNone : static_cast<uint32_t>(std::distance(nodes_.begin(), at));
}

uint64_t IndexBuilder::dataBytes() const {
  uint64_t bytes = 0;
  for (const auto& [path, node] : nodes_) bytes += roundUp(node.data.size());
  return bytes;
}

std::string IndexBuilder::build(uint64_t dataStart, uint64_t imageBytes) {
  std::string entries, listings, strings;
  const auto text = [&](std::string* out, const std::string& value) {
    put<uint32_t>(out, static_cast<uint32_t>(strings.size()));
    put<uint32_t>(out, static_cast<uint32_t>(value.size()));
    strings += value;
  };
  uint64_t data = dataStart;
  for (auto& [path, node] : nodes_) {
    text(&entries, path);
    put<uint64_t>(&entries, S_ISREG(node.mode) ? data : 0);
    put<uint64_t>(&entries, node.data.size());
    put<int64_t>(&entries, node.mtimeNs);
    put<uint32_t>(&entries, node.mode);
    put<uint32_t>(&entries, S_ISLNK(node.mode) ? number(node.linkTarget) : kNone);
    text(&entries, node.linkText);
    std::map<std::string, std::pair<uint32_t, uint8_t>> children;
    if (S_ISDIR(node.mode)) {
      for (const auto& [name, type] : node.unpacked) children[name] = {kNone, type};
      const std::string prefix = path.empty() ? "" : path + "/";
      for (const auto& [other, child] : nodes_) {
        if (other.empty() || other.compare(0, prefix.size(), prefix) != 0) continue;
        const std::string name = other.substr(prefix.size());
        if (name.empty() || name.find('/') != name.npos) continue;
        children[name] = {number(other), static_cast<uint8_t>(IFTODT(child.mode))};
      }
    }
    put<uint32_t>(&entries, static_cast<uint32_t>(listings.size() / kListingBytes));
    put<uint32_t>(&entries, static_cast<uint32_t>(children.size()));
    for (const auto& [name, child] : children) {
      text(&listings, name);
      put<uint32_t>(&listings, child.first);
      put<uint32_t>(&listings, child.second);
    }
    std::string scope = path;
    while (true) {
      const size_t slash = scope.rfind('/');
      scope = slash == scope.npos ? "" : scope.substr(0, slash);
      if (scope.empty() || number(scope + "/package.json") != kNone) break;
    }
    put<uint32_t>(&entries, number(scope.empty() ? "package.json" : scope + "/package.json"));
    put<uint8_t>(&entries, node.format);
    put<uint8_t>(&entries, node.flags);
    put<uint16_t>(&entries, 0);
    if (S_ISREG(node.mode)) data += roundUp(node.data.size());
  }

  const uint32_t pathSlots = slotCount(nodes_.size());
  std::string paths(size_t{pathSlots} * kPathSlotBytes, '\xff');
  for (const auto& [path, node] : nodes_) {
    const uint32_t hash = PathHash().add(path).value();
    size_t slot = hash & (pathSlots - 1);
    uint32_t held;
    while (std::memcpy(&held, &paths[slot * 8 + 4], 4), held != kNone) {
      slot = (slot + 1) & (pathSlots - 1);
    }
    putAt(&paths, slot * 8, hash);
    putAt(&paths, slot * 8 + 4, number(path));
  }

  const uint32_t ruleSlots = slotCount(rules_.size());
  std::string resolutions(size_t{ruleSlots} * kResolutionSlotBytes, '\0');
  for (const Rule& rule : rules_) {
    const uint32_t directory = number(rule.directory);
    const uint32_t hash =
        PathHash().addNumber(directory).addByte(rule.kind).add(rule.specifier).value();
    size_t slot = hash & (ruleSlots - 1);
    while (resolutions[slot * 32 + 16] != 0) slot = (slot + 1) & (ruleSlots - 1);
    std::string record;
    put(&record, hash);
    put(&record, directory);
    text(&record, rule.specifier);
    put<uint8_t>(&record, rule.kind);
    put<uint8_t>(&record, rule.outcome);
    put<uint16_t>(&record, 0);
    put<uint32_t>(&record, number(rule.target));
    text(&record, rule.text);
    resolutions.replace(slot * 32, 32, record);
  }
  strings.resize((strings.size() + 7) / 8 * 8);

  const std::string* sections[] = {&entries, &paths, &listings, &resolutions, &strings};
  const uint32_t recordBytes[] = {kEntryBytes, kPathSlotBytes, kListingBytes, kResolutionSlotBytes,
                                  1};
  std::string index(kMagic, 8);
  put<uint32_t>(&index, kVersion);
  put<uint32_t>(&index, kHeaderBytes);
  uint64_t offset = kHeaderBytes;
  for (const std::string* section : sections) offset += section->size();
  put<uint64_t>(&index, offset);
  put<uint64_t>(&index, imageBytes);
  offset = kHeaderBytes;
  for (int i = 0; i < kSectionCount; ++i) {
    put<uint64_t>(&index, offset);
    put<uint64_t>(&index, sections[i]->size() / recordBytes[i]);
    offset += sections[i]->size();
  }
  index.resize(kHeaderBytes);
  for (const std::string* section : sections) index += *section;
  return index;
}

std::string IndexBuilder::archive() {
  const std::string manifest = tarHeader(kManifestName, kManifest.size()) + kManifest;
  const uint64_t indexAt = roundUp(manifest.size());
  const uint64_t indexBytes = build(0, 0).size();
  const uint64_t dataStart = indexAt + 512 + roundUp(indexBytes);
  const uint64_t imageBytes = dataStart + dataBytes() + 1024;
  std::string image = manifest;
  image.resize(indexAt);
  image += tarHeader(kIndexName, indexBytes) + build(dataStart, imageBytes);
  image.resize(dataStart);
  for (const auto& [path, node] : nodes_) {
    image += node.data;
    image.resize(roundUp(image.size()));
  }
  image.resize(imageBytes);
  return image;
}

std::string IndexBuilder::index(uint64_t* imageBytes) {
  const std::string image = archive();
  const uint64_t start = roundUp(512 + kManifest.size()) + 512;
  *imageBytes = image.size();
  return image.substr(start, build(0, 0).size());
}
