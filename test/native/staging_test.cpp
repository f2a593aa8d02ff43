#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "../../native/src/archive_damaged.h"
#include "../../native/src/file_copy.h"
#include "../../native/src/file_lock.h"
#include "../../native/src/file_space.h"
#include "../../native/src/piece_digest.h"
#include "../../native/src/posix_error.h"
#include "../../native/src/private_directory.h"
#include "check.h"
#include "scratch_directory.h"

using namespace walla;

namespace {

mode_t modeOf(int fd) {
  struct stat status;
  CHECK(fstat(fd, &status) == 0);
  return status.st_mode & 07777;
}

struct Umask {
  explicit Umask(mode_t mask) : before(umask(mask)) {}
  ~Umask() { umask(before); }
  mode_t before;
};

}  // namespace

TEST("private directory: refuses a directory that group or others can access") {
  const ScratchDirectory scratch;
  for (const mode_t mode : {0750, 0701, 0777, 01777}) {
    CHECK(mkdir(scratch.at("open").c_str(), 0700) == 0 &&
          chmod(scratch.at("open").c_str(), mode) == 0);
    CHECK_THROWS(openPrivateDirectory(scratch.fd(), "open", true), PosixError,
                 error.code() == EPERM);
    CHECK_THROWS(openPrivateDirectory(AT_FDCWD, scratch.at("open"), false), PosixError,
                 error.code() == EPERM);
    CHECK(rmdir(scratch.at("open").c_str()) == 0);
  }
}

TEST("private directory: refuses a directory and a file of another owner") {
  if (geteuid() != 0) return;
  const ScratchDirectory scratch;
  CHECK(mkdir(scratch.at("other").c_str(), 0700) == 0);
  CHECK(chown(scratch.at("other").c_str(), 12345, 12345) == 0);
  CHECK_THROWS(openPrivateDirectory(scratch.fd(), "other", true), PosixError,
               error.code() == EPERM);
  scratch.write("file", "x");
  CHECK(chown(scratch.at("file").c_str(), 12345, 12345) == 0);
  CHECK_THROWS(openPrivateFile(scratch.fd(), "file", OpenHow::read), PosixError,
               error.code() == EPERM);
}

TEST("private directory: refuses links, also with a slash behind") {
  const ScratchDirectory scratch;
  CHECK(mkdir(scratch.at("real").c_str(), 0700) == 0);
  CHECK(symlink("real", scratch.at("link").c_str()) == 0);
  CHECK_THROWS(openPrivateDirectory(scratch.fd(), "link", true), PosixError, true);
  CHECK_THROWS(openPrivateDirectory(AT_FDCWD, scratch.at("link"), true), PosixError, true);
  CHECK_THROWS(openPrivateDirectory(AT_FDCWD, scratch.at("link//"), true), PosixError, true);
  CHECK_THROWS(openPrivateDirectory(AT_FDCWD, scratch.at("link/."), true), PosixError,
               error.code() == EINVAL);
  CHECK(openPrivateDirectory(AT_FDCWD, scratch.at("real/"), false).valid());
}

TEST("private directory: names with slashes or dots are refused") {
  const ScratchDirectory scratch;
  for (const char* name : {"", ".", "..", "a/b", "/etc"}) {
    CHECK_THROWS(openPrivateDirectory(scratch.fd(), name, true), PosixError,
                 error.code() == EINVAL);
    CHECK_THROWS(openPrivateFile(scratch.fd(), name, OpenHow::open), PosixError,
                 error.code() == EINVAL);
    CHECK_THROWS(removeTree(scratch.fd(), name), PosixError, error.code() == EINVAL);
    CHECK_THROWS(renameInside(scratch.fd(), "x", name), PosixError, error.code() == EINVAL);
  }
}

TEST("private directory: is made again when another process removes it meanwhile") {
  const ScratchDirectory scratch;
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) unlinkat(scratch.fd(), "both", AT_REMOVEDIR);
  });
  int opened = 0;
  for (int i = 0; i < 20000; ++i) {
    try {
      opened += openPrivateDirectory(scratch.fd(), "both", true).valid() ? 1 : 0;
      unlinkat(scratch.fd(), "both", AT_REMOVEDIR);
      mkdirat(scratch.fd(), "both", 0700);
    } catch (const PosixError& error) {
      if (error.code() != ENOENT) throw;
    }
  }
  done = true;
  other.join();
  CHECK_EQUAL(opened, 20000);
}

TEST("private directory: is made with mode 0700 whatever the umask") {
  const ScratchDirectory scratch;
  for (const mode_t mask : {0, 022, 0777}) {
    const Umask umask(mask);
    CHECK_EQUAL(modeOf(openPrivateDirectory(scratch.fd(), "made", true).get()), mode_t{0700});
    CHECK_EQUAL(modeOf(openPrivateFile(scratch.fd(), "file", OpenHow::create).get()), mode_t{0600});
    removeTree(scratch.fd(), "made");
    removeTree(scratch.fd(), "file");
  }
}

TEST("private file: refuses links, FIFOs, directories and files that others can access") {
  const ScratchDirectory scratch;
  scratch.write("open", "x");
  CHECK(chmod(scratch.at("open").c_str(), 0640) == 0);
  CHECK(symlink("open", scratch.at("link").c_str()) == 0);
  CHECK(symlink("nowhere", scratch.at("dangling").c_str()) == 0);
  CHECK(mkfifo(scratch.at("fifo").c_str(), 0600) == 0);
  CHECK(mkdir(scratch.at("directory").c_str(), 0700) == 0);
  for (const char* name : {"open", "link", "dangling", "fifo", "directory"}) {
    for (const OpenHow how : {OpenHow::read, OpenHow::write, OpenHow::open, OpenHow::create}) {
      CHECK_THROWS(openPrivateFile(scratch.fd(), name, how), PosixError, true);
    }
  }
  CHECK(access(scratch.at("nowhere").c_str(), F_OK) != 0);
}

TEST("private file: one that must exist and does not is an invalid descriptor") {
  const ScratchDirectory scratch;
  CHECK(!openPrivateFile(scratch.fd(), "none", OpenHow::read).valid());
  CHECK(!openPrivateFile(scratch.fd(), "none", OpenHow::write).valid());
  CHECK(openPrivateFile(scratch.fd(), "none", OpenHow::open).valid());
  CHECK_THROWS(openPrivateFile(scratch.fd(), "none", OpenHow::create), PosixError,
               error.code() == EEXIST);
}

TEST("remove tree: takes links away and leaves their targets") {
  const ScratchDirectory scratch;
  scratch.write("kept", "x");
  CHECK(mkdir(scratch.at("tree").c_str(), 0700) == 0 &&
        mkdir(scratch.at("tree/a").c_str(), 0700) == 0);
  CHECK(mkdir(scratch.at("other").c_str(), 0700) == 0);
  scratch.write("other/kept", "x");
  scratch.write("tree/a/file", "x");
  CHECK(symlink("../kept", scratch.at("tree/link").c_str()) == 0);
  CHECK(symlink("../../other", scratch.at("tree/a/directory").c_str()) == 0);
  CHECK_EQUAL(listNames(scratch.fd()).size(), 3u);
  removeTree(scratch.fd(), "tree");
  removeTree(scratch.fd(), "tree");
  CHECK(access(scratch.at("tree").c_str(), F_OK) != 0);
  CHECK(scratch.read("kept") == "x" && scratch.read("other/kept") == "x");
}

TEST("same file: a name that was replaced or removed is another file") {
  const ScratchDirectory scratch;
  const UniqueFd file = scratch.write("name", "x");
  CHECK(isSameFile(file.get(), scratch.fd(), "name"));
  const UniqueFd other = scratch.write("other", "x");
  renameInside(scratch.fd(), "other", "name");
  CHECK(!isSameFile(file.get(), scratch.fd(), "name"));
  removeTree(scratch.fd(), "name");
  CHECK(!isSameFile(file.get(), scratch.fd(), "name"));
}

TEST("lock: shared holders stand side by side, an exclusive one alone") {
  const ScratchDirectory scratch;
  scratch.write("lock", "");
  const UniqueFd a = openPrivateFile(scratch.fd(), "lock", OpenHow::write);
  const UniqueFd b = openPrivateFile(scratch.fd(), "lock", OpenHow::read);
  CHECK(lockFile(a.get(), LockMode::shared, true));
  CHECK(lockFile(b.get(), LockMode::shared, false));
  CHECK(!lockFile(b.get(), LockMode::exclusive, false));
  CHECK(lockFile(a.get(), LockMode::unlock, true));
  CHECK(lockFile(b.get(), LockMode::exclusive, false));
  CHECK(!lockFile(a.get(), LockMode::shared, false));
}

TEST("lock: the kernel drops the lock of a process that dies") {
  const ScratchDirectory scratch;
  scratch.write("lock", "");
  int ready[2];
  CHECK(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = open(scratch.at("lock").c_str(), O_RDWR);
    lockFile(fd, LockMode::exclusive, true);
    (void)!::write(ready[1], "x", 1);
    for (;;) pause();
  }
  char byte;
  CHECK(::read(ready[0], &byte, 1) == 1);
  const UniqueFd file = openPrivateFile(scratch.fd(), "lock", OpenHow::write);
  CHECK(!lockFile(file.get(), LockMode::shared, false));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK(lockFile(file.get(), LockMode::shared, true));
  close(ready[0]);
  close(ready[1]);
}

TEST("reserve: a file gets its size and its blocks, also when it had others") {
  const ScratchDirectory scratch;
  const UniqueFd file = scratch.write("file", "1234567");
  reserve(file.get(), 3 << 20);
  struct stat status;
  CHECK(fstat(file.get(), &status) == 0 && status.st_size == 3 << 20);
  CHECK(status.st_blocks * 512 >= 3 << 20);
  reserve(file.get(), 0);
  const FileSystem space = fileSystemOf(file.get());
  CHECK(space.freeBytes > 0 && space.totalBytes >= space.freeBytes && space.typeMagic != 0);
}

TEST("copy: the digest leaves out the bytes before its start") {
  const ScratchDirectory scratch;
  std::string content;
  for (int i = 0; content.size() < (9 << 20) + 5; ++i) content += std::to_string(i);
  const UniqueFd source = scratch.write("source", content);
  const UniqueFd target = scratch.write("target", "");
  reserve(target.get(), content.size());
  const std::string expected = pieceDigestHex(
      reinterpret_cast<const uint8_t*>(content.data()) + 1000, content.size() - 1000);
  CHECK_EQUAL(copyFile(source.get(), target.get(), content.size(), 1000), expected);
  CHECK(scratch.read("target") == content);
  CHECK_EQUAL(digestFile(target.get(), 1000, content.size()), expected);
}

TEST("copy: a source that ends early is damaged, a target that is too small is an error") {
  const ScratchDirectory scratch;
  const UniqueFd source = scratch.write("source", "12345");
  const UniqueFd target = scratch.write("target", "");
  CHECK_THROWS(copyFile(source.get(), target.get(), 5, 0), PosixError, error.code() == EINVAL);
  reserve(target.get(), 10);
  CHECK_THROWS(copyFile(source.get(), target.get(), 10, 0), ArchiveDamaged, true);
  CHECK_THROWS(digestFile(source.get(), 0, 6), ArchiveDamaged, true);
  CHECK_EQUAL(copyFile(source.get(), target.get(), 0, 0),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
