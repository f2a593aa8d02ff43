// Every operation against what libc says, with each rank as root. All ranks see the same files; to
// show that only root asks for them, the others stand in another directory and names are relative.
//
//     operations_test DIRECTORY [large]

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "check.h"

namespace {

std::string directory;
int root = 0;
/// Calls of the error handler.
int failures = 0;

std::string at(const std::string& name) { return directory + "/" + name; }

/// What takes long is the same for most roots.
bool thorough() { return root == 0 || root + 1 == worldSize; }

std::string readAll(int fd) {
  std::string text;
  char part[70000];
  ssize_t got = 0;
  while ((got = collfs_read(fd, part, sizeof part)) > 0) text.append(part, std::size_t(got));
  EXPECT(got == 0);
  return text;
}

std::string contentOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  EXPECT(fd >= 0);
  std::string text;
  char part[70000];
  ssize_t got = 0;
  while ((got = read(fd, part, sizeof part)) > 0) text.append(part, std::size_t(got));
  close(fd);
  return text;
}

bool sameStatus(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode &&
         a.st_nlink == b.st_nlink && a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
         a.st_size == b.st_size && a.st_blocks == b.st_blocks && a.st_blksize == b.st_blksize &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

void testContents() {
  for (const char* const name : {"empty", "one", "small", "inline", "beyond", "several"}) {
    const std::string expected = contentOf(at(name));
    const int fd = collfs_open(name, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    EXPECT(collfs_is_shared(fd) == 1);
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
    EXPECT(readAll(fd) == expected);

    struct stat status;
    struct stat real;
    EXPECT(collfs_fstat(fd, &status) == 0 && stat(at(name).c_str(), &real) == 0);
    EXPECT(sameStatus(status, real));
    EXPECT(fstat(fd, &status) == 0 && status.st_size == off_t(expected.size()));

    // A position of its own on every rank.
    EXPECT(collfs_lseek(fd, worldRank, SEEK_SET) == worldRank);
    EXPECT(collfs_lseek(fd, 0, SEEK_CUR) == worldRank);
    if (expected.size() > 100) {
      char part[10];
      EXPECT(collfs_pread(fd, part, 10, 50) == 10 && expected.compare(50, 10, part, 10) == 0);
      char a[3];
      char b[4];
      const struct iovec parts[] = {{a, 3}, {b, 4}};
      const auto from = std::size_t(worldRank);
      EXPECT(collfs_readv(fd, parts, 2) == 7);
      EXPECT(expected.compare(from, 3, a, 3) == 0 && expected.compare(from + 3, 4, b, 4) == 0);
      EXPECT(collfs_lseek(fd, 0, SEEK_CUR) == worldRank + 7);
    }
    // The copy is other ranks' as well: nobody can change it.
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const int writable = open(link.c_str(), O_RDWR);
    if (writable >= 0) {
      EXPECT(write(writable, "x", 1) == -1 && errno == EPERM);
      EXPECT(ftruncate(writable, 7) == -1);
      close(writable);
    }
    EXPECT(collfs_close(fd) == 0);
    EXPECT(fcntl(fd, F_GETFD) == -1);
    EXPECT(collfs_is_shared(fd) == 0);
  }
}

void testDescriptorFlags() {
  const int fd = collfs_open("small", O_RDONLY);
  EXPECT(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0);
  // libc's close does as well; the number may mean another file afterwards.
  close(fd);
  EXPECT(collfs_is_shared(fd) == 0);
  const int other = open("/dev/null", O_RDONLY);
  struct stat status;
  EXPECT(collfs_fstat(other, &status) == 0 && S_ISCHR(status.st_mode));
  close(other);
}

void testMappings() {
  for (const char* const name : {"small", "several"}) {
    const std::string expected = contentOf(at(name));
    const int fd = collfs_open(name, O_RDONLY);
    EXPECT(fd >= 0);
    const std::size_t bytes = expected.size();
    const auto map = [&](int protection, int flags) {
      return static_cast<char*>(collfs_mmap(nullptr, bytes, protection, flags, fd, 0));
    };
    char* const shared = map(PROT_READ, MAP_SHARED);
    char* const own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    char* const code = map(PROT_READ | PROT_EXEC, MAP_PRIVATE);
    for (char* const mapping : {shared, own, code}) {
      EXPECT(mapping != MAP_FAILED && std::memcmp(mapping, expected.data(), bytes) == 0);
    }
    EXPECT(map(PROT_READ | PROT_WRITE, MAP_SHARED) == MAP_FAILED);
    own[0] = char(own[0] + 1);
    EXPECT(shared[0] == expected[0]);
    // The dynamic linker maps over what it has reserved.
    EXPECT(collfs_mmap(own, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == own);
    EXPECT(own[0] == expected[0]);
    // A file that is closed lives on in its mappings.
    EXPECT(collfs_close(fd) == 0);
    EXPECT(std::memcmp(shared, expected.data(), bytes) == 0);
    for (char* const mapping : {shared, own, code}) EXPECT(collfs_munmap(mapping, bytes) == 0);
  }
}

void testKernelUses() {
  const std::string expected = contentOf(at("several"));
  const int fd = collfs_open("several", O_RDONLY);
  const int target = memfd_create("target", 0);
  off_t offset = 0;
  while (offset < off_t(expected.size())) {
    EXPECT(sendfile(target, fd, &offset, expected.size() - std::size_t(offset)) > 0);
  }
  std::string copy(expected.size(), '\0');
  EXPECT(pread(target, copy.data(), copy.size(), 0) == ssize_t(copy.size()) && copy == expected);
  close(target);

  // A child has it too.
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    EXPECT(collfs_depth() == 0 && collfs_is_collective() == 0);
    // What was collective is its own now.
    struct stat status;
    const bool alone = collfs_stat("/", &status) == 0;
    _exit(alone && pread(fd, &byte, 1, 5) == 1 && byte == expected[5] ? 0 : 1);
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child && status == 0);
  EXPECT(collfs_close(fd) == 0);

  const int library = collfs_open("library.so", O_RDONLY);
  if (library >= 0) {
    void* const handle = dlopen(("/proc/self/fd/" + std::to_string(library)).c_str(), RTLD_NOW);
    EXPECT(handle != nullptr);
    collfs_close(library);
    auto* const answer = reinterpret_cast<int (*)()>(dlsym(handle, "answer"));
    EXPECT(answer != nullptr && answer() == 42);
    dlclose(handle);
  }
}

void testStreams() {
  FILE* const file = collfs_fopen("text", "re");
  EXPECT(file != nullptr);
  char line[64];
  EXPECT(std::fgets(line, sizeof line, file) != nullptr && std::string(line) == "first\n");
  EXPECT(std::fgets(line, sizeof line, file) != nullptr && std::string(line) == "second\n");
  EXPECT(std::fgets(line, sizeof line, file) == nullptr);
  EXPECT(std::fclose(file) == 0);
  EXPECT(collfs_fopen("absent", "r") == nullptr && errno == ENOENT);
}

void testNames() {
  struct stat mine;
  struct stat real;
  EXPECT(collfs_stat("link", &mine) == 0 && stat(at("small").c_str(), &real) == 0);
  EXPECT(sameStatus(mine, real));
  EXPECT(collfs_lstat("link", &mine) == 0 && S_ISLNK(mine.st_mode));
  EXPECT(collfs_fstatat(AT_FDCWD, "link", &mine, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(mine.st_mode));
  struct statx wide;
  EXPECT(collfs_statx(AT_FDCWD, "small", 0, STATX_SIZE | STATX_MTIME, &wide) == 0);
  EXPECT(wide.stx_size == std::uint64_t(real.st_size));

  EXPECT(collfs_access("small", R_OK) == 0);
  EXPECT(collfs_access("small", X_OK) == -1 && errno == EACCES);
  EXPECT(collfs_faccessat(AT_FDCWD, "small", F_OK, AT_EACCESS) == 0);

  char text[PATH_MAX];
  EXPECT(collfs_readlink("link", text, sizeof text) == 5 && std::string(text, 5) == "small");
  EXPECT(collfs_readlink("link", text, 3) == 3 && std::string(text, 3) == "sma");
  EXPECT(collfs_readlink("small", text, sizeof text) == -1 && errno == EINVAL);

  EXPECT(collfs_realpath("tree/../link", text) == text && text == at("small"));
  char* const resolved = collfs_realpath("tree/sub", nullptr);
  EXPECT(resolved != nullptr && resolved == at("tree/sub"));
  std::free(resolved);
  EXPECT(collfs_realpath("absent", text) == nullptr && errno == ENOENT);

  // Root's errno, and no code.
  const int before = failures;
  for (const auto& [name, code] : std::map<std::string, int>{
           {"absent", ENOENT}, {"small/x", ENOTDIR}, {"loop", ELOOP}, {"", ENOENT}}) {
    errno = 0;
    EXPECT(collfs_stat(name.c_str(), &mine) == -1 && errno == code);
    errno = 0;
    EXPECT(collfs_open(name.c_str(), O_RDONLY) == -1 && errno == code);
    errno = 0;
    EXPECT(collfs_opendir(name.c_str()) == nullptr && errno == code);
    errno = 0;
    EXPECT(collfs_access(name.c_str(), F_OK) == -1 && errno == code);
  }
  EXPECT(collfs_open("link", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
  EXPECT(collfs_open("small", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
  EXPECT(collfs_open(std::string(5000, 'x').c_str(), O_RDONLY) == -1 && errno == ENAMETOOLONG);
  EXPECT(failures == before);
}

void testSpecialFiles() {
  for (const char* const name : {"fifo", "/dev/null"}) {
    const int before = failures;
    EXPECT_FAILURE(collfs_open(name, O_RDONLY), ENXIO, ERR_COLLFS_TYPE);
    EXPECT(failures == before + 1 && std::string(collfs_last_error()->path) == name);
    collfs_clear_error();
    EXPECT(collfs_last_error()->code == COLLFS_OK && collfs_last_error()->message[0] == '\0');
  }
  // Says that it is empty.
  const int fd = collfs_open("/proc/version", O_RDONLY);
  EXPECT(fd >= 0);
  EXPECT(readAll(fd) == contentOf("/proc/version"));
  struct stat status;
  EXPECT(collfs_fstat(fd, &status) == 0 && status.st_size > 0);
  collfs_close(fd);
  // Of root's own process.
  const int own = collfs_open("/proc/self/stat", O_RDONLY);
  EXPECT(own >= 0);
  int process = getpid();
  MPI_Bcast(&process, 1, MPI_INT, root, MPI_COMM_WORLD);
  EXPECT(std::atoi(readAll(own).c_str()) == process);
  collfs_close(own);
}

void testDirectories() {
  const int fd = collfs_open("tree", O_RDONLY | O_DIRECTORY);
  EXPECT(fd >= 0);
  struct stat status;
  struct stat real;
  EXPECT(collfs_fstat(fd, &status) == 0 && stat(at("tree").c_str(), &real) == 0);
  EXPECT(sameStatus(status, real));
  // Past collfs there is a directory, and nothing in it.
  EXPECT(fstat(fd, &status) == 0 && S_ISDIR(status.st_mode));
  char byte = 0;
  EXPECT(collfs_read(fd, &byte, 1) == -1 && errno == EISDIR);
  EXPECT(openat(fd, "a", O_RDONLY) == -1 && errno == ENOENT);

  const int inside = collfs_openat(fd, "a", O_RDONLY);
  EXPECT(inside >= 0 && readAll(inside) == "in a");
  collfs_close(inside);
  const int deeper = collfs_openat(fd, "sub", O_RDONLY | O_DIRECTORY);
  EXPECT(deeper >= 0);
  const int leaf = collfs_openat(deeper, "leaf", O_RDONLY);
  EXPECT(leaf >= 0 && readAll(leaf) == "a leaf");
  collfs_close(leaf);
  EXPECT(collfs_fstatat(deeper, "leaf", &status, 0) == 0 && status.st_size == 6);
  EXPECT(collfs_openat(deeper, "absent", O_RDONLY) == -1 && errno == ENOENT);
  collfs_close(deeper);

  std::vector<std::string> expected;
  DIR* const plain = opendir(at("tree").c_str());
  while (const dirent* const entry = readdir(plain)) expected.push_back(entry->d_name);
  closedir(plain);
  collfs_dir* const listing = collfs_fdopendir(fd);
  EXPECT(listing != nullptr && fcntl(fd, F_GETFD) == -1);
  for (int turn = 0; turn < 2; ++turn) {
    std::vector<std::string> names;
    while (const dirent* const entry = collfs_readdir(listing)) {
      names.push_back(entry->d_name);
      EXPECT(std::string(entry->d_name) != "sub" || entry->d_type == DT_DIR);
      EXPECT(entry->d_ino != 0);
    }
    EXPECT(names == expected);
    collfs_rewinddir(listing);
  }
  EXPECT(collfs_closedir(listing) == 0);

  if (!thorough()) return;
  // More than fits into one message.
  collfs_dir* const many = collfs_opendir("many");
  EXPECT(many != nullptr);
  int count = 0;
  while (collfs_readdir(many) != nullptr) ++count;
  EXPECT(count == 3000 + 2);
  collfs_closedir(many);
}

void testBatches() {
  const char* const paths[] = {"small", "absent", "several", "tree",
                               "empty", "fifo",   "beyond",  "small"};
  constexpr std::size_t kCount = sizeof paths / sizeof *paths;
  int fds[kCount];
  int errors[kCount];
  EXPECT(collfs_open_many(kCount, paths, O_RDONLY | O_CLOEXEC, fds, errors) == 6);
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string name = paths[i];
    if (name == "absent" || name == "fifo") {
      EXPECT(fds[i] == -1 && errors[i] == (name == "fifo" ? ENXIO : ENOENT));
      continue;
    }
    EXPECT(fds[i] >= 0 && errors[i] == 0);
    if (name != "tree") EXPECT(readAll(fds[i]) == contentOf(at(name)));
    struct stat status;
    EXPECT(collfs_fstat(fds[i], &status) == 0 && S_ISDIR(status.st_mode) == (name == "tree"));
    EXPECT(collfs_close(fds[i]) == 0);
  }
  EXPECT(collfs_open_many(0, paths, O_RDONLY, fds, errors) == 0);

  struct stat statuses[kCount];
  EXPECT(collfs_stat_many(kCount, paths, 0, statuses, errors) == 7);
  EXPECT(errors[1] == ENOENT && errors[5] == 0 && S_ISFIFO(statuses[5].st_mode));
  EXPECT(statuses[2].st_size == off_t(contentOf(at("several")).size()));
  struct statx more[kCount];
  EXPECT(collfs_statx_many(kCount, paths, 0, more, errors) == 7);
  EXPECT(errors[1] == ENOENT && more[2].stx_ino == statuses[2].st_ino);
  EXPECT(more[2].stx_size == std::uint64_t(statuses[2].st_size));

  if (!thorough()) return;
  // More than one slice, and an answer of more than one message.
  std::vector<std::string> names;
  for (int i = 0; i < 1100; ++i) names.push_back("many/" + std::to_string(i % 3000));
  std::vector<const char*> pointers;
  for (const std::string& name : names) pointers.push_back(name.c_str());
  std::vector<struct stat> all(names.size());
  std::vector<int> codes(names.size());
  EXPECT(collfs_stat_many(names.size(), pointers.data(), 0, all.data(), codes.data()) == 1100);
  std::vector<int> opened(names.size());
  constexpr std::size_t kFew = 100;
  EXPECT(collfs_open_many(kFew, pointers.data(), O_RDONLY, opened.data(), codes.data()) == kFew);
  for (std::size_t i = 0; i < kFew; ++i) {
    EXPECT(readAll(opened[i]) == "content of " + std::to_string(i));
    collfs_close(opened[i]);
  }
}

void testShare() {
  // Into the answer, into a message of its own, and nothing.
  for (const std::size_t bytes : {std::size_t{5}, std::size_t{300000}, std::size_t{0}}) {
    const std::string mine(bytes, char('a' + worldRank % 26));
    void* answer = nullptr;
    std::size_t length = 1;
    EXPECT(collfs_share("question", mine.data(), bytes, &answer, &length) == 0);
    EXPECT(length == bytes);
    EXPECT(std::string(static_cast<char*>(answer), length) ==
           std::string(bytes, char('a' + root % 26)));
    std::free(answer);
  }
}

/// Everything else goes to libc.
void testWrites() {
  const std::string name = at("written-by-" + std::to_string(worldRank));
  const int fd = collfs_open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0640);
  EXPECT(fd >= 0 && collfs_is_shared(fd) == 0);
  EXPECT(write(fd, "mine", 4) == 4);
  EXPECT(collfs_lseek(fd, 0, SEEK_SET) == 0 && readAll(fd) == "mine");
  struct stat status;
  EXPECT(collfs_fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0640);
  collfs_close(fd);
  FILE* const stream = collfs_fopen(name.c_str(), "a");
  EXPECT(stream != nullptr && std::fputs("!", stream) >= 0 && std::fclose(stream) == 0);
  EXPECT(contentOf(name) == "mine!");
  unlink(name.c_str());
}

/// Beyond 4 GiB, mostly a hole: neither sent nor kept.
void testLarge() {
  const off_t size = (off_t{5} << 30) + 12345;
  const int fd = collfs_open("large", O_RDONLY);
  EXPECT(fd >= 0);
  EXPECT(collfs_lseek(fd, 0, SEEK_END) == size);
  char part[6];
  EXPECT(collfs_pread(fd, part, 6, 0) == 6 && std::string(part, 6) == "start ");
  EXPECT(collfs_pread(fd, part, 6, (off_t{4} << 30) + 77) == 6 && std::string(part, 6) == "middle");
  EXPECT(collfs_pread(fd, part, 6, size - 6) == 6 && std::string(part, 6) == "  end.");
  EXPECT(collfs_pread(fd, part, 1, off_t{1} << 30) == 1 && part[0] == '\0');
  struct stat status;
  EXPECT(fstat(fd, &status) == 0 && status.st_blocks * 512 < (off_t{16} << 20));
  collfs_close(fd);
  // Many chunks: along a chain of nodes.
  const int many = collfs_open("long", O_RDONLY);
  EXPECT(many >= 0 && readAll(many) == contentOf(at("long")));
  collfs_close(many);
  const int hole = collfs_open("hole", O_RDONLY);
  EXPECT(hole >= 0 && collfs_lseek(hole, 0, SEEK_END) == off_t{1} << 26);
  EXPECT(fstat(hole, &status) == 0 && status.st_blocks == 0);
  EXPECT(collfs_pread(hole, part, 1, 1 << 25) == 1 && part[0] == '\0');
  collfs_close(hole);
}

/// One copy on each node: ranks of one host have the same inode, others have others.
void testOneCopyPerNode() {
  const char* const two[] = {"small", "several"};
  for (const char* const name : {"small", "several", "batch"}) {
    int fds[2] = {-1, -1};
    int errors[2];
    if (std::string(name) == "batch") {
      EXPECT(collfs_open_many(2, two, O_RDONLY, fds, errors) == 2);
    } else {
      fds[0] = collfs_open(name, O_RDONLY);
    }
    EXPECT(fds[0] >= 0);
    struct stat status;
    EXPECT(fstat(fds[0], &status) == 0);
    struct Where {
      unsigned long inode;
      char host[64];
    } mine{status.st_ino, {}};
    gethostname(mine.host, sizeof mine.host - 1);
    std::vector<Where> all(static_cast<std::size_t>(worldSize));
    MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, MPI_COMM_WORLD);
    for (const Where& other : all) {
      EXPECT((other.inode == mine.inode) == (std::string(other.host) == mine.host));
    }
    for (const int fd : fds) {
      if (fd >= 0) collfs_close(fd);
    }
  }
}

int descriptorCount() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

void testEverything() {
  testContents();
  testDescriptorFlags();
  testMappings();
  testKernelUses();
  testStreams();
  testNames();
  testSpecialFiles();
  testDirectories();
  testBatches();
  testShare();
  testWrites();
  testOneCopyPerNode();
}

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc >= 2);
  directory = argv[1];
  const bool large = argc > 2;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &worldRank);
  MPI_Comm_size(MPI_COMM_WORLD, &worldSize);
  collfs_init(
      0, [](const collfs_error*, void* count) { ++*static_cast<int*>(count); }, &failures);
  EXPECT(collfs_depth() == 0 && collfs_rank() == 0 && collfs_size() == 1);
  for (root = 0; root < worldSize; ++root) {
    EXPECT(chdir(worldRank == root ? directory.c_str() : "/") == 0);
    EXPECT(collfs_comm_push(MPI_COMM_WORLD, root) == 0);
    EXPECT(collfs_depth() == 1 && collfs_rank() == worldRank && collfs_size() == worldSize);
    EXPECT(collfs_root() == root && collfs_is_collective() == 1);
    testEverything();
    if (root == 0) {
      const int before = descriptorCount();
      collfs_set_checked(0);
      testEverything();
      collfs_set_checked(1);
      // MPI may have opened some of its own in between, but not one for every file.
      EXPECT(descriptorCount() <= before + 10);
      if (large) testLarge();
    }
    EXPECT(collfs_comm_pop() == 0);
  }
  EXPECT(collfs_finalize() == 0);
  EXPECT(collfs_depth() == 0 && collfs_is_collective() == 0);
  // Independent again.
  const int fd = collfs_open(at("small").c_str(), O_RDONLY);
  EXPECT(fd >= 0 && collfs_is_shared(fd) == 0 && readAll(fd) == contentOf(at("small")));
  collfs_close(fd);
  end();
}
