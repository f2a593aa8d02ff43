// What the audit library does with names, without the dynamic linker, which calls it from a
// namespace that sanitizers cannot be in.
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "../../native/src/collfs-shadow/library_search.h"
#include "../../native/src/collfs-shadow/stage_lookup.h"
#include "../../native/src/collfs-shadow/stage_name.h"
#include "check.h"
#include "scratch_directory.h"

using namespace walla;
using namespace walla::shadow;

namespace {

std::string clean(const std::string& name, const std::string& directory = "/here/now") {
  Name result;
  return cleanName(name.c_str(), directory.c_str(), result) ? result.text : "too long";
}

/// A stage with one copy, one link to it, and one file that was left in its place.
class Staged {
 public:
  Staged() {
    stage_.directory = scratch_.path().c_str();
    stage_.paths = "/shared/lib:/shared/more/";
    for (const char* const each : {"/shared", "/shared/lib", "/shared/lib/sub", "/shared/more"}) {
      CHECK(mkdir((scratch_.path() + each).c_str(), 0700) == 0);
    }
    copy_ = UniqueFd(memfd_create("collfs", MFD_CLOEXEC));
    const std::string target = "/proc/self/fd/" + std::to_string(copy_.get());
    link(target, "/shared/lib/libone.so");
    link(scratch_.path() + "/shared/lib/libone.so", "/shared/lib/libone.so.1");
    link("/etc/hostname", "/shared/lib/left");
    link("/proc/self/fd/none", "/shared/lib/gone");
    link("/elsewhere", "/shared/lib/linked");
  }

  const Stage& stage() const { return stage_; }
  std::string redirected(const std::string& name) const {
    Name buffer;
    const std::string result = redirect(stage_, name.c_str(), buffer);
    const std::string& own = scratch_.path();
    return result.compare(0, own.size(), own) == 0 ? "STAGE" + result.substr(own.size()) : result;
  }

 private:
  void link(const std::string& target, const std::string& name) {
    CHECK(symlink(target.c_str(), (scratch_.path() + name).c_str()) == 0);
  }

  ScratchDirectory scratch_;
  UniqueFd copy_;
  Stage stage_{};
};

}  // namespace

TEST("a name is cleaned by its letters") {
  CHECK_EQUAL(clean("/a//b/./c/../d/"), "/a/b/d");
  CHECK_EQUAL(clean("x/../../y"), "/here/y");
  CHECK_EQUAL(clean("/../.."), "");
  CHECK_EQUAL(clean("..."), "/here/now/...");
  CHECK_EQUAL(clean(std::string(PATH_MAX - 2, 'x'), "/"), "/" + std::string(PATH_MAX - 2, 'x'));
  CHECK_EQUAL(clean(std::string(PATH_MAX - 1, 'x'), "/"), "too long");
}

TEST("a name is below a directory of a list") {
  for (const char* const list : {"/a/b", "/a/b/", "/c:/a/b", ":/a/b:", "/a/b/:/c"}) {
    CHECK(isBelow("/a/b", list) && isBelow("/a/b/c", list));
    CHECK(!isBelow("/a/bc", list) && !isBelow("/a", list) && !isBelow("", list));
  }
  CHECK(!isBelow("/a", "") && !isBelow("/a", ":"));
}

TEST("$ORIGIN is put in place, and nothing else") {
  Name name;
  CHECK(expandOrigin("$ORIGIN/../lib:rest", 14, "/o", name));
  CHECK_EQUAL(std::string(name.text), "/o/../lib");
  CHECK(expandOrigin("${ORIGIN}", 9, "/o", name));
  CHECK_EQUAL(std::string(name.text), "/o");
  CHECK(!expandOrigin("/a/$LIB", 7, "/o", name));
  CHECK(!expandOrigin("$ORIGIN", 7, std::string(PATH_MAX, 'x').c_str(), name));
}

TEST("names lead to copies, and to nothing where there is nothing") {
  const Staged staged;
  CHECK_EQUAL(staged.redirected("/shared/lib/libone.so"), "STAGE/shared/lib/libone.so");
  CHECK_EQUAL(staged.redirected("/shared/lib/sub/../libone.so.1"), "STAGE/shared/lib/libone.so.1");
  CHECK_EQUAL(staged.redirected("/shared/more/none.so"), "STAGE/shared/more/none.so");
  // Not copied, not below, a copy that is gone, and `..` behind a link or what is not there.
  for (const char* const own :
       {"/shared/lib/left", "/shared/libs/x", "/shared/lib/gone", "/shared/lib/linked/../none.so",
        "/shared/lib/linked/../libone.so", "/shared/lib/no/../libone.so"}) {
    CHECK_EQUAL(staged.redirected(own), own);
  }
  // $ORIGIN of an object that was loaded from the stage.
  const std::string inside = std::string(staged.stage().directory) + "/shared/lib/libone.so";
  CHECK_EQUAL(staged.redirected(inside), "STAGE/shared/lib/libone.so");
  CHECK_EQUAL(std::string(originalName(staged.stage(), inside.c_str())), "/shared/lib/libone.so");
  CHECK(presenceOf(staged.stage(), "/shared/lib/libone.so") == Presence::present);
  CHECK(presenceOf(staged.stage(), "/shared/lib/none") == Presence::absent);
  CHECK(presenceOf(staged.stage(), "/shared/lib/linked/../none") == Presence::unknown);
  CHECK(presenceOf(staged.stage(), "/shared/lib/linked/../libone.so") == Presence::unknown);
}

TEST("a stage is believed when it is this user's alone") {
  const ScratchDirectory scratch;
  Stage stage;
  setenv("COLLFS_PATHS", "/shared", 1);
  unsetenv("COLLFS_STAGE");
  CHECK(!findStage(stage));
  setenv("COLLFS_STAGE", scratch.path().c_str(), 1);
  CHECK(findStage(stage));
  CHECK(chmod(scratch.path().c_str(), 0750) == 0 && !findStage(stage));
  setenv("COLLFS_STAGE", (scratch.path() + "/none").c_str(), 1);
  CHECK(!findStage(stage));
  unsetenv("COLLFS_STAGE");
  unsetenv("COLLFS_PATHS");
}

TEST("a library is searched for along LD_LIBRARY_PATH as the linker does") {
  const Staged staged;
  link_map* program = nullptr;
  void* const self = dlopen(nullptr, RTLD_LAZY);
  CHECK(self != nullptr && dlinfo(self, RTLD_DI_LINKMAP, &program) == 0);
  const char* const before = getenv("LD_LIBRARY_PATH");
  const std::string kept = before == nullptr ? "" : before;
  Name found;
  const auto searched = [&](const char* library) {
    return std::string(searchLibrary(staged.stage(), library, program, found));
  };
  setenv("LD_LIBRARY_PATH", "/shared/more;/shared/lib", 1);
  CHECK_EQUAL(searched("libone.so.1"), "/shared/lib/libone.so.1");
  CHECK_EQUAL(searched("libnone.so"), "libnone.so");
  // What only the linker knows ends the search.
  setenv("LD_LIBRARY_PATH", "/shared/$LIB:/shared/lib", 1);
  CHECK_EQUAL(searched("libone.so"), "libone.so");
  if (before == nullptr) {
    unsetenv("LD_LIBRARY_PATH");
  } else {
    setenv("LD_LIBRARY_PATH", kept.c_str(), 1);
  }
  dlclose(self);
}
