// The code of the audit library in a program, for the thread sanitizer, which cannot be in the
// linker's namespace: it dies on threads that it has not seen begin. Several threads ask as the
// linker does, one at a time; with "unlocked" all at once, which the sanitizer has to see.
//
//     audit_test STAGE [unlocked]
//
// STAGE is a directory, which gets one copy.

#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

extern "C" {
unsigned int la_version(unsigned int version);
char* la_objsearch(const char* name, uintptr_t* cookie, unsigned int flag);
unsigned int la_objopen(link_map* object, Lmid_t space, uintptr_t* cookie);
}

namespace {

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "audit_test: expected %s\n", what);
  std::exit(1);
}

/// What the linker does for one library.
void load(const std::string& stage, const char* name, const std::string& expected) {
  link_map loader{};
  uintptr_t cookie = reinterpret_cast<uintptr_t>(&loader);
  const std::string found = la_objsearch(name, &cookie, LA_SER_ORIG);
  expect(found == expected, "the name in the stage");
  std::vector<char> own(found.begin(), found.end());
  own.push_back('\0');
  link_map object{};
  object.l_name = own.data();
  expect(la_objopen(&object, LM_ID_BASE, &cookie) == 0, "no audit of calls");
  const bool staged = found.compare(0, stage.size(), stage) == 0;
  expect(found.substr(staged ? stage.size() : 0) == object.l_name, "the original name");
}

}  // namespace

int main(int argc, char** argv) {
  expect(argc >= 2, "a stage");
  const std::string stage = argv[1];
  const bool locked = argc == 2;
  const std::string copy = "/proc/self/fd/" + std::to_string(memfd_create("collfs", MFD_CLOEXEC));
  expect(chmod(stage.c_str(), 0700) == 0 && mkdir((stage + "/shared").c_str(), 0700) == 0 &&
             symlink(copy.c_str(), (stage + "/shared/libone.so").c_str()) == 0,
         "room for a stage");
  setenv("COLLFS_STAGE", stage.c_str(), 1);
  setenv("COLLFS_PATHS", "/shared", 1);
  expect(la_version(LAV_CURRENT) == LAV_CURRENT, "the linker's version");
  std::mutex linker;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 100; ++turn) {
        std::unique_lock<std::mutex> lock(linker, std::defer_lock);
        if (locked) lock.lock();
        load(stage, "/shared/libone.so", stage + "/shared/libone.so");
        load(stage, "/shared/libnone.so", stage + "/shared/libnone.so");
        load(stage, "/elsewhere/libone.so", "/elsewhere/libone.so");
      }
    });
  }
  for (std::thread& each : threads) each.join();
  std::puts("ok");
}
