#include "../../native/src/extract.h"

#include <sys/stat.h>

#include <cerrno>

#include "../../native/src/archive_damaged.h"
#include "../../native/src/entry_path.h"
#include "../../native/src/freshness.h"
#include "../../native/src/posix_error.h"
#include "check.h"
#include "index_builder.h"
#include "scratch_directory.h"

using namespace walla;
using namespace walla::layout;

namespace {

const MappedImage& imageOf(const ScratchDirectory& scratch, IndexBuilder builder) {
  return MappedImage::open(scratch.write("image", builder.archive()).get());
}

UniqueFd target(const ScratchDirectory& scratch) {
  return openPrivateDirectory(scratch.fd(), "target", true);
}

mode_t modeAt(const std::string& path) {
  struct stat status;
  CHECK(lstat(path.c_str(), &status) == 0);
  return status.st_mode;
}

}  // namespace

TEST("entry path: only paths that stay below their root are safe") {
  for (const char* path : {"a", "a/b", ".a/..b/...", "node_modules/.pnpm/x@1/y.node"}) {
    CHECK(isSafeEntryPath(path));
  }
  for (const char* path :
       {"", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/./b", "a//b", "a/", "."}) {
    CHECK(!isSafeEntryPath(path));
  }
  CHECK(!isSafeEntryPath(std::string_view("a\0b", 3)));
  CHECK(!isSafeEntryPath(std::string(5000, 'a')));
}

TEST("extract: writes ELF files with their layout, mode 0700, and nothing else") {
  const ScratchDirectory scratch;
  IndexBuilder builder;
  builder.directory("", 0)
      .file("app.js", "x")
      .file("top.node", std::string(100000, 'e'), kFlagElf)
      .file("lib/a/one.so", "one", kFlagElf);
  const MappedImage& image = imageOf(scratch, builder);
  const UniqueFd directory = target(scratch);
  const Extracted first = extractElf(image, directory.get());
  CHECK_EQUAL(first.files, 2u);
  CHECK_EQUAL(first.bytes, 100003u);
  CHECK_EQUAL(scratch.read("target/top.node"), std::string(100000, 'e'));
  CHECK_EQUAL(scratch.read("target/lib/a/one.so"), "one");
  CHECK_EQUAL(modeAt(scratch.at("target/lib/a/one.so")), mode_t{S_IFREG | 0700});
  CHECK_EQUAL(modeAt(scratch.at("target/lib")), mode_t{S_IFDIR | 0700});
  CHECK(access(scratch.at("target/app.js").c_str(), F_OK) != 0);
  CHECK_EQUAL(listNames(directory.get()).size(), 2u);
  CHECK_EQUAL(extractElf(image, directory.get()).files, 0u);
}

TEST("extract: makes the links that lead to what was extracted") {
  const ScratchDirectory scratch;
  IndexBuilder builder;
  builder.directory("", 0)
      .directory("store", 0)
      .directory("store/lib", 0)
      .file("store/lib/x.so.1", "x", kFlagElf)
      .link("store/lib/x.so", "x.so.1", "store/lib/x.so.1")
      .link("a/b/lib", "/somewhere/absolute", "store/lib")
      .directory("plain", 0)
      .file("plain/y.js", "y")
      .link("p", "plain", "plain");
  const UniqueFd directory = target(scratch);
  extractElf(imageOf(scratch, builder), directory.get());
  CHECK_EQUAL(scratch.read("target/store/lib/x.so"), "x");
  CHECK_EQUAL(scratch.read("target/a/b/lib/x.so"), "x");
  CHECK(access(scratch.at("target/p").c_str(), F_OK) != 0);
}

TEST("extract: a path that leaves the directory is refused") {
  for (const char* path : {"../x", "/x", "a/../../x", "a//x", "./x"}) {
    const ScratchDirectory scratch;
    IndexBuilder builder;
    builder.file(path, "evil", kFlagElf);
    const UniqueFd directory = target(scratch);
    const MappedImage& image = imageOf(scratch, builder);
    CHECK_THROWS(extractElf(image, directory.get()), ArchiveDamaged, true);
    CHECK_THROWS(materialize(image, 0, directory.get()), ArchiveDamaged, true);
    CHECK(access(scratch.at("x").c_str(), F_OK) != 0);
    CHECK(listNames(directory.get()).empty());
  }
}

TEST("extract: does not write through a link that is in the way") {
  const ScratchDirectory scratch;
  IndexBuilder builder;
  builder.file("a/x.node", "new", kFlagElf).file("y.node", "new", kFlagElf);
  const UniqueFd directory = target(scratch);
  CHECK(mkdir(scratch.at("outside").c_str(), 0700) == 0);
  scratch.write("victim", "old");
  CHECK(symlink("../outside", scratch.at("target/a").c_str()) == 0);
  CHECK(symlink("../victim", scratch.at("target/y.node").c_str()) == 0);
  const MappedImage& image = imageOf(scratch, builder);
  CHECK_THROWS(materialize(image, builder.number("a/x.node"), directory.get()), ArchiveDamaged,
               true);
  CHECK(access(scratch.at("outside/x.node").c_str(), F_OK) != 0);
  materialize(image, builder.number("y.node"), directory.get());
  CHECK_EQUAL(scratch.read("victim"), "old");
  CHECK_EQUAL(scratch.read("target/y.node"), "new");
}

TEST("extract: an empty file can be materialized, a directory cannot") {
  const ScratchDirectory scratch;
  IndexBuilder builder;
  builder.directory("d", 0).file("d/empty", "");
  const UniqueFd directory = target(scratch);
  const MappedImage& image = imageOf(scratch, builder);
  materialize(image, builder.number("d/empty"), directory.get());
  materialize(image, builder.number("d/empty"), directory.get());
  CHECK_EQUAL(scratch.read("target/d/empty"), "");
  CHECK_THROWS(materialize(image, builder.number("d"), directory.get()), ArchiveDamaged, true);
  CHECK_THROWS(materialize(image, 99, directory.get()), ArchiveDamaged, true);
}

TEST("mapped image: what is no archive is damaged, at any length") {
  const ScratchDirectory scratch;
  IndexBuilder builder;
  builder.directory("", 0).file("a.js", "a");
  const std::string whole = builder.archive();
  CHECK_THROWS(MappedImage::open(scratch.write("empty", "").get()), ArchiveDamaged, true);
  CHECK_THROWS(MappedImage::open(scratch.fd()), ArchiveDamaged, true);
  for (size_t bytes = 1; bytes < whole.size(); bytes += 13) {
    CHECK_THROWS(MappedImage::open(scratch.write("cut", whole.substr(0, bytes)).get()),
                 ArchiveDamaged, true);
  }
  std::string other = whole;
  other[2] = 'x';
  CHECK_THROWS(MappedImage::open(scratch.write("other", other).get()), ArchiveDamaged, true);
  const MappedImage& first = MappedImage::open(scratch.write("image", whole).get());
  const UniqueFd again(open(scratch.at("image").c_str(), O_RDONLY));
  CHECK(&MappedImage::open(again.get()) == &first);
}
