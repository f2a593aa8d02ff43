#include "../../native/src/index.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "../../native/src/archive_damaged.h"
#include "check.h"
#include "index_builder.h"

using namespace walla;
using namespace walla::layout;

namespace {

constexpr uint8_t kFrozen = kFlagComplete | kFlagFrozen;

IndexBuilder sample() {
  IndexBuilder builder;
  builder.directory("", kFlagComplete, {{"README", 8}})
      .file("package.json", "{}")
      .file("app.mjs", "import 'left';", kFlagAscii)
      .file("empty.js", "")
      .directory("src", 0)
      .file("src/main.js", "x")
      .link("latest", "node_modules/left", "node_modules/left")
      .link("dangling", "nowhere", "nowhere")
      .link("direct.js", "src/main.js", "src/main.js")
      .directory("node_modules", kFrozen)
      .directory("node_modules/left", kFrozen, {{"README.md", 8}})
      .file("node_modules/left/package.json", "{}")
      .file("node_modules/left/index.js", "left", kFlagAscii)
      .link("node_modules/right", "left", "node_modules/left")
      .rule({"", "left", kKindImport, kOutcomeFile, "node_modules/left/index.js", ""})
      .rule({"", "left?raw", kKindImport, kOutcomeFile, "node_modules/left/index.js", "?raw"})
      .rule({"", "fs", kKindImport, kOutcomeBuiltin, "", "node:fs"})
      .rule({"src", "gone", kKindRequire, kOutcomeAbsent, "", "{\"name\":\"Error\"}"});
  return builder;
}

/// The index in a heap block of exactly its size, so that the sanitizer sees each read past it.
struct Held {
  explicit Held(IndexBuilder builder) : text(builder.index(&imageBytes)) {
    bytes.reset(new uint8_t[text.size()]);
    std::memcpy(bytes.get(), text.data(), text.size());
  }
  Index open() const { return Index(bytes.get(), text.size(), imageBytes); }

  uint64_t imageBytes = 0;
  std::string text;
  std::unique_ptr<uint8_t[]> bytes;
};

/// Asks an index everything there is to ask. @returns whether all file data lies in the image
bool askEverything(const Index& index, uint64_t imageBytes) {
  static const char* const kPaths[] = {
      "",         "app.mjs",   "src/main.js",         "latest/index.js", "node_modules/right/gone",
      "dangling", "direct.js", "node_modules/left/x", "src/x/y",         "app.mjs/x"};
  bool inside = true;
  size_t sum = 0;
  for (const char* path : kPaths) {
    for (const bool follow : {false, true}) {
      const int64_t found = index.find(path, follow);
      Entry entry;
      if (found >= 0) CHECK(index.entry(static_cast<uint32_t>(found), &entry));
      CHECK(found >= kNotDirectory);
    }
  }
  for (const char* specifier : {"left", "left?raw", "fs", "gone", "never"}) {
    for (uint32_t directory = 0; directory < 6; ++directory) {
      const int64_t found = index.resolve(kKindImport, directory, specifier);
      Resolution resolution;
      if (found < kUnknown && index.resolution(static_cast<uint64_t>(-found - 2), &resolution)) {
        for (const char byte : resolution.text) sum += static_cast<uint8_t>(byte);
      }
    }
  }
  const uint32_t some = std::min<uint32_t>(index.entryCount(), 64);
  for (uint32_t i = 0; i < some; ++i) {
    Entry entry;
    if (!index.entry(i, &entry)) continue;
    for (const char byte : entry.path) sum += static_cast<uint8_t>(byte);
    for (const char byte : entry.linkText) sum += static_cast<uint8_t>(byte);
    if (entry.isFile()) {
      inside =
          inside && entry.dataOffset <= imageBytes && entry.size <= imageBytes - entry.dataOffset;
    }
    for (uint32_t k = 0; k < std::min<uint32_t>(entry.listingCount, 64); ++k) {
      ListingRecord record;
      if (!index.listing(entry.listingFirst + k, &record)) continue;
      for (const char byte : record.name) sum += static_cast<uint8_t>(byte);
    }
  }
  sum += index.resolutionCount();
  // Keeps the reads from being optimized away.
  volatile size_t sink = sum;
  (void)sink;
  return inside;
}

}  // namespace

TEST("index: finds files, directories and the root by path") {
  IndexBuilder builder = sample();
  const Held held(builder);
  const Index index = held.open();
  CHECK_EQUAL(index.entryCount(), 14u);
  CHECK_EQUAL(index.resolutionCount(), 4u);
  for (const char* path : {"", "app.mjs", "empty.js", "src", "node_modules/left/index.js"}) {
    CHECK_EQUAL(index.find(path, true), int64_t{builder.number(path)});
    CHECK_EQUAL(index.find(path, false), int64_t{builder.number(path)});
  }
}

TEST("index: follows links in the middle always, and at the end when asked to") {
  IndexBuilder builder = sample();
  const Held held(builder);
  const Index index = held.open();
  CHECK_EQUAL(index.find("latest/index.js", false),
              int64_t{builder.number("node_modules/left/index.js")});
  CHECK_EQUAL(index.find("node_modules/right/package.json", true),
              int64_t{builder.number("node_modules/left/package.json")});
  CHECK_EQUAL(index.find("latest", false), int64_t{builder.number("latest")});
  CHECK_EQUAL(index.find("latest", true), int64_t{builder.number("node_modules/left")});
  CHECK_EQUAL(index.find("direct.js", true), int64_t{builder.number("src/main.js")});
  CHECK_EQUAL(index.find("dangling", true), kUnknown);
  CHECK_EQUAL(index.find("dangling/x", true), kUnknown);
  CHECK_EQUAL(index.find("direct.js/x", true), kNotDirectory);
}

TEST("index: a name is absent only below a frozen, complete directory that does not list it") {
  const Held held(sample());
  const Index index = held.open();
  CHECK_EQUAL(index.find("node_modules/gone", true), kAbsent);
  CHECK_EQUAL(index.find("node_modules/gone/deeper", true), kAbsent);
  CHECK_EQUAL(index.find("node_modules/left/gone.js", true), kAbsent);
  CHECK_EQUAL(index.find("latest/gone.js", true), kAbsent);
  CHECK_EQUAL(index.find("node_modules/left/README.md", true), kUnknown);
  CHECK_EQUAL(index.find("gone", true), kUnknown);
  CHECK_EQUAL(index.find("src/gone", true), kUnknown);
  CHECK_EQUAL(index.find("node_modules//gone", true), kUnknown);
  CHECK_EQUAL(index.find("node_modules/", true), kUnknown);
}

TEST("index: a file in the middle of a path is no directory") {
  const Held held(sample());
  CHECK_EQUAL(held.open().find("app.mjs/x", true), kNotDirectory);
  CHECK_EQUAL(held.open().find("node_modules/left/index.js/x/y", true), kNotDirectory);
}

TEST("index: links that lead to each other are unknown") {
  IndexBuilder builder;
  builder.directory("", 0).link("a", "b", "b").link("b", "a", "a");
  const Held held(builder);
  CHECK_EQUAL(held.open().find("a", true), kUnknown);
  CHECK_EQUAL(held.open().find("a/x", true), kUnknown);
}

TEST("index: more than 40 links in one path are left to the real file system") {
  IndexBuilder builder;
  std::string path = "d";
  builder.directory("", 0).directory("d", 0).link("d/l", "../d", "d").file("d/f", "x");
  for (int i = 0; i < 40; ++i) path += "/l";
  const Held held(builder);
  CHECK_EQUAL(held.open().find(path + "/f", true), int64_t{builder.number("d/f")});
  CHECK_EQUAL(held.open().find(path + "/l/f", true), kUnknown);
}

TEST("index: resolves by directory, kind and specifier") {
  IndexBuilder builder = sample();
  const Held held(builder);
  const Index index = held.open();
  const uint32_t root = builder.number("");
  CHECK_EQUAL(index.resolve(kKindImport, root, "left"),
              int64_t{builder.number("node_modules/left/index.js")});
  CHECK_EQUAL(index.resolve(kKindRequire, root, "left"), kUnknown);
  CHECK_EQUAL(index.resolve(kKindImport, builder.number("src"), "left"), kUnknown);
  Resolution resolution;
  const int64_t raw = index.resolve(kKindImport, root, "left?raw");
  CHECK(raw < kUnknown && index.resolution(static_cast<uint64_t>(-raw - 2), &resolution));
  CHECK_EQUAL(resolution.text, "?raw");
  const int64_t gone = index.resolve(kKindRequire, builder.number("src"), "gone");
  CHECK(gone < kUnknown && index.resolution(static_cast<uint64_t>(-gone - 2), &resolution));
  CHECK_EQUAL(int{resolution.outcome}, int{kOutcomeAbsent});
  CHECK_EQUAL(resolution.entry, kNone);
}

TEST("index: an entry whose data lies outside the image is a miss") {
  const Held held(sample());
  const uint64_t cut = held.imageBytes - 2048;
  std::memcpy(held.bytes.get() + 24, &cut, sizeof cut);
  const Index index(held.bytes.get(), held.text.size(), cut);
  // The last file in path order is the last in the image.
  CHECK_EQUAL(index.find("src/main.js", true), kUnknown);
  CHECK(index.find("app.mjs", true) >= 0);
}

TEST("index: sizes and offsets beyond 4 GiB are read in full") {
  const Held held(sample());
  const uint64_t huge = uint64_t{6} << 32;
  std::memcpy(held.bytes.get() + 24, &huge, sizeof huge);
  const uint64_t offset = uint64_t{9} << 31, size = (uint64_t{1} << 32) + 7;
  IndexBuilder builder = sample();
  uint8_t* record = held.bytes.get() + kHeaderBytes + 64 * builder.number("app.mjs");
  std::memcpy(record + 8, &offset, 8);
  std::memcpy(record + 16, &size, 8);
  const Index index(held.bytes.get(), held.text.size(), huge);
  Entry entry;
  CHECK(index.entry(builder.number("app.mjs"), &entry));
  CHECK_EQUAL(entry.dataOffset, offset);
  CHECK_EQUAL(entry.size, size);
}

TEST("index: a header that is not right is refused") {
  const Held held(sample());
  CHECK_THROWS(Index(held.bytes.get(), held.text.size(), held.imageBytes + 1), ArchiveDamaged,
               true);
  for (const size_t at : {0, 8, 12, 16, 24, 32, 40, 48, 56, 63, 95, 111}) {
    held.bytes[at] ^= 0xff;
    CHECK_THROWS(held.open(), ArchiveDamaged, true);
    held.bytes[at] ^= 0xff;
  }
  held.open();
}

TEST("index: cut off at any byte, it is refused") {
  const Held held(sample());
  for (size_t bytes = 0; bytes < held.text.size(); ++bytes) {
    std::unique_ptr<uint8_t[]> cut(new uint8_t[bytes]);
    std::memcpy(cut.get(), held.text.data(), bytes);
    CHECK_THROWS(Index(cut.get(), bytes, held.imageBytes), ArchiveDamaged, true);
    if (bytes < kHeaderBytes) continue;
    // And when the header says so too, nothing outside is read.
    const uint64_t said = bytes;
    std::memcpy(cut.get() + 16, &said, sizeof said);
    CHECK_THROWS(Index(cut.get(), bytes, held.imageBytes), ArchiveDamaged, true);
  }
}

TEST("index: 20000 damaged indexes read nothing outside of themselves") {
  std::mt19937 random(20120707);
  const Held held(sample());
  static const uint32_t kNasty[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  int opened = 0;
  for (int round = 0; round < 20000; ++round) {
    std::memcpy(held.bytes.get(), held.text.data(), held.text.size());
    const int changes = 1 + static_cast<int>(random() % 6);
    for (int i = 0; i < changes; ++i) {
      // Half of the changes leave the header alone: else hardly any index would open.
      const size_t from = random() % 2 == 0 ? 0 : size_t{kHeaderBytes};
      const size_t at = from + random() % (held.text.size() - from - 4);
      if (random() % 2 == 0) {
        held.bytes[at] = static_cast<uint8_t>(random());
      } else {
        std::memcpy(held.bytes.get() + at / 4 * 4, &kNasty[random() % 7], 4);
      }
    }
    try {
      const Index index = held.open();
      ++opened;
      CHECK(askEverything(index, held.imageBytes));
    } catch (const ArchiveDamaged&) {
      // Refused, which is right too.
    }
  }
  CHECK(opened > 5000);
}
