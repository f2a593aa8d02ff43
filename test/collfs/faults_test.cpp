// What goes wrong on one rank is an error on all: never a hang, never wrong data.
//
//     faults_test DIRECTORY ROOT [timeouts]

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "check.h"

namespace {

std::string directory;
int root = 0;

std::string at(const std::string& name) { return directory + "/" + name; }

int last() { return worldSize - 1; }

std::string named(int rank) { return "rank " + std::to_string(rank); }

/// The communicator still works, and ranks are in step.
void expectWell() {
  struct stat status;
  EXPECT(collfs_stat(at("small").c_str(), &status) == 0 && status.st_size == 4096);
  const int fd = collfs_open(at("small").c_str(), O_RDONLY);
  EXPECT(fd >= 0 && collfs_close(fd) == 0);
}

void testDivergence() {
  if (worldSize == 1) return;
  struct stat status;
  for (int odd = 0; odd < worldSize; ++odd) {
    const bool other = worldRank == odd;
    // Other names,
    const std::string name = at(other ? "one" : "small");
    EXPECT_FAILURE(collfs_open(name.c_str(), O_RDONLY), EPROTO, ERR_COLLFS_DIVERGED);
    const char* const message = collfs_last_error()->message;
    EXPECT(contains(message, "open(\"" + at("one") + "\")"));
    EXPECT(contains(message, "open(\"" + at("small") + "\")"));
    EXPECT(contains(message, named(odd) + "@"));
    if (worldSize > 2 && odd != root) EXPECT(collfs_last_error()->rank == odd);
    expectWell();
    // other operations,
    EXPECT_FAILURE(other ? collfs_access(at("small").c_str(), F_OK)
                         : collfs_stat(at("small").c_str(), &status),
                   EPROTO, ERR_COLLFS_DIVERGED);
    EXPECT(contains(collfs_last_error()->message, "access(\"") &&
           contains(collfs_last_error()->message, "stat(\""));
    // other flags,
    EXPECT_FAILURE(collfs_open(at("tree").c_str(), other ? O_RDONLY : O_RDONLY | O_DIRECTORY),
                   EPROTO, ERR_COLLFS_DIVERGED);
    // other names late in a batch,
    const std::string second = at(other ? "empty" : "beyond");
    const char* const paths[] = {"/", second.c_str()};
    int fds[2];
    int errors[2];
    EXPECT_FAILURE(collfs_open_many(2, paths, O_RDONLY, fds, errors), EPROTO, ERR_COLLFS_DIVERGED);
    // no name at all, alone or in a batch,
    EXPECT_FAILURE(collfs_open(other ? nullptr : name.c_str(), O_RDONLY), EPROTO,
                   ERR_COLLFS_DIVERGED);
    EXPECT(contains(collfs_last_error()->message, "open(NULL) by " + named(odd) + "@"));
    EXPECT_FAILURE(collfs_stat(other ? nullptr : "/", &status), EPROTO, ERR_COLLFS_DIVERGED);
    const char* const incomplete[] = {"/", other ? nullptr : "/"};
    EXPECT_FAILURE(collfs_open_many(2, incomplete, O_RDONLY, fds, errors), EPROTO,
                   ERR_COLLFS_DIVERGED);
    expectWell();
    // and a pop where others go on.
    EXPECT_FAILURE(other ? collfs_comm_pop() : collfs_access("/", F_OK), EPROTO,
                   ERR_COLLFS_DIVERGED);
    EXPECT(collfs_depth() == 1);
    expectWell();
  }
}

/// As many descriptors as there are now, and no more.
void limitDescriptors(rlim_t count) {
  struct rlimit limit;
  EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = count;
  EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/// Has MPI make the connections that it makes at first use, and in the background: UCX aborts where
/// it cannot accept one for want of a descriptor.
void settleConnections() {
  std::vector<int> sent(static_cast<size_t>(worldSize)), received(sent);
  MPI_Alltoall(sent.data(), 1, MPI_INT, received.data(), 1, MPI_INT, MPI_COMM_WORLD);
  for (int turn = 0; turn < 200; ++turn) {
    int found = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
    usleep(1000);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

void testDescriptorsRunOut() {
  settleConnections();
  struct rlimit before;
  EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
  for (int odd = 0; odd < worldSize; ++odd) {
    for (const char* const name : {"small", "several", "tree"}) {
      expectWell();
      std::vector<int> held;
      if (worldRank == odd) {
        // Also what collfs holds beforehand: it may last for an open or two.
        limitDescriptors(256);
        for (int fd = dup(0); fd >= 0; fd = dup(0)) held.push_back(fd);
        EXPECT(errno == EMFILE);
      }
      int opened = 0;
      std::vector<int> fds;
      int fd = -1;
      do {
        errno = 0;
        fd = collfs_open(at(name).c_str(), O_RDONLY);
        if (fd >= 0) fds.push_back(fd);
      } while (fd >= 0 && ++opened < 4);
      EXPECT(fd == -1 && errno == EMFILE);
      // Root's own shortage is what its file system says.
      const bool fromRoot = odd == root && collfs_last_error()->code != ERR_COLLFS_LOCAL;
      if (!fromRoot) {
        EXPECT(collfs_last_error()->code == ERR_COLLFS_LOCAL);
        EXPECT(contains(collfs_last_error()->message, "EMFILE"));
      }
      for (const int each : held) close(each);
      for (const int each : fds) collfs_close(each);
      EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
      expectWell();
    }
  }
}

/// A head that cannot write its copy: as a full memory would do, by a limit that only it has.
void testSpaceRunsOut() {
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  EXPECT(getrlimit(RLIMIT_FSIZE, &before) == 0);
  for (int odd = 0; odd < worldSize; ++odd) {
    struct rlimit limit = before;
    limit.rlim_cur = 1 << 20;
    if (worldRank == odd) EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    errno = 0;
    const int fd = collfs_open(at("several").c_str(), O_RDONLY);
    int failed = fd < 0 ? 1 : 0;
    // Only heads write.
    int all = 0;
    MPI_Allreduce(&failed, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    EXPECT(all == 0 || all == worldSize);
    if (odd == root) EXPECT(all == worldSize);
    if (fd < 0) {
      EXPECT(collfs_last_error()->code == ERR_COLLFS_LOCAL && collfs_last_error()->rank == odd);
      EXPECT(collfs_last_error()->error_number == EFBIG);
    } else {
      collfs_close(fd);
    }
    const std::string one = at("several");
    const std::string two = at("small");
    const char* const paths[] = {one.c_str(), two.c_str()};
    int fds[2];
    int errors[2];
    EXPECT(collfs_open_many(2, paths, O_RDONLY, fds, errors) == (all == 0 ? 2 : -1));
    for (int i = 0; i < 2 && all == 0; ++i) collfs_close(fds[i]);
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
    expectWell();
  }
}

/// What becomes of a file when somebody begins to read it; -1 for nothing.
std::atomic<off_t> nextSize{-1};
std::string changing;

/// The file has another size than root was told when it opened it.
void testChangingFiles() {
  constexpr off_t kBytes = 10'000'000;
  changing = at("changing-" + std::to_string(root));
  for (const off_t later : {off_t{0}, kBytes / 2, kBytes - 1, kBytes + 1}) {
    if (worldRank == root) {
      EXPECT(close(open(changing.c_str(), O_CREAT | O_WRONLY, 0644)) == 0);
      EXPECT(truncate(changing.c_str(), 0) == 0);
      const int fd = open(changing.c_str(), O_WRONLY);
      const std::string text(kBytes, 'x');
      EXPECT(write(fd, text.data(), text.size()) == kBytes && close(fd) == 0);
      nextSize = later;
    }
    if (later < kBytes) {
      EXPECT_FAILURE(collfs_open(changing.c_str(), O_RDONLY), ESTALE, ERR_COLLFS_CHANGED);
      EXPECT(collfs_last_error()->rank == root);
    } else {
      // What was added is not part of it.
      const int fd = collfs_open(changing.c_str(), O_RDONLY);
      EXPECT(fd >= 0 && collfs_lseek(fd, 0, SEEK_END) == kBytes && collfs_close(fd) == 0);
    }
    EXPECT(nextSize == -1);
    expectWell();
  }
  if (worldRank == root) unlink(changing.c_str());
}

void testThreads() {
  const std::string name = at("small");
  const int fd = collfs_open(name.c_str(), O_RDONLY);
  std::thread([&] {
    EXPECT(collfs_is_collective() == 0);
    EXPECT_FAILURE(collfs_open(name.c_str(), O_RDONLY), EPERM, ERR_COLLFS_THREAD);
    EXPECT_FAILURE(collfs_comm_pop(), EPERM, ERR_COLLFS_THREAD);
    // Local ones are for all.
    char byte;
    struct stat status;
    EXPECT(collfs_pread(fd, &byte, 1, 7) == 1 && collfs_fstat(fd, &status) == 0);
    // What writes is libc's.
    const int null = collfs_open("/dev/null", O_WRONLY);
    EXPECT(null >= 0 && collfs_close(null) == 0);
  }).join();
  EXPECT(collfs_close(fd) == 0);
  expectWell();
}

void testRememberedAnswers() {
  const std::string appears = at("appears");
  struct stat status;
  const auto calls = [](const char* operation) {
    collfs_counter counters[64];
    const std::size_t count = collfs_counters(counters, 64);
    for (std::size_t i = 0; i < count; ++i) {
      if (std::string(counters[i].operation) == operation) return counters[i];
    }
    return collfs_counter{};
  };
  if (worldRank == root) unlink(appears.c_str());
  EXPECT(collfs_set_cache(1) == 0);
  collfs_counters_reset();
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT(collfs_stat(at("small").c_str(), &status) == 0 && status.st_size == 4096);
    EXPECT(collfs_stat(appears.c_str(), &status) == -1 && errno == ENOENT);
    EXPECT(collfs_open(appears.c_str(), O_RDONLY) == -1 && errno == ENOENT);
    EXPECT(collfs_access(appears.c_str(), F_OK) == -1 && errno == ENOENT);
    collfs_dir* const listing = collfs_opendir(at("tree").c_str());
    EXPECT(listing != nullptr && collfs_readdir(listing) != nullptr);
    collfs_closedir(listing);
  }
  EXPECT(calls("stat").calls == 6 && calls("stat").collective == 2 && calls("stat").cached == 4);
  EXPECT(calls("stat").failed == 3);
  EXPECT(calls("open").calls == 3 && calls("open").collective == 0 && calls("open").cached == 3);
  EXPECT(calls("opendir").collective == 1);
  // It is there now, but the epoch is the same.
  MPI_Barrier(MPI_COMM_WORLD);
  if (worldRank == root) close(open(appears.c_str(), O_CREAT | O_WRONLY, 0644));
  EXPECT(collfs_stat(appears.c_str(), &status) == -1 && errno == ENOENT);
  EXPECT(collfs_cache_drop() == 0);
  EXPECT(collfs_stat(appears.c_str(), &status) == 0);
  // Ranks whose epochs differ are found.
  if (worldSize > 1) {
    if (worldRank == last()) EXPECT(collfs_cache_drop() == 0);
    EXPECT_FAILURE(collfs_stat(at("one").c_str(), &status), EPROTO, ERR_COLLFS_DIVERGED);
    if (worldRank != last()) EXPECT(collfs_cache_drop() == 0);
  }
  EXPECT(collfs_set_cache(0) == 0);
  expectWell();
  MPI_Barrier(MPI_COMM_WORLD);
  if (worldRank == root) unlink(appears.c_str());
}

void testCounters() {
  collfs_counters_reset();
  const int fd = collfs_open(at("small").c_str(), O_RDONLY);
  char bytes[1000];
  EXPECT(collfs_read(fd, bytes, sizeof bytes) == 1000);
  collfs_close(fd);
  collfs_counter counters[2];
  EXPECT(collfs_counters(counters, 2) == 3);
  EXPECT(std::string(counters[0].operation) == "open" && counters[0].bytes == 4096);
  EXPECT(counters[0].calls == 1 && counters[0].collective == 1 && counters[0].failed == 0);
  EXPECT(counters[0].total_seconds > 0 && counters[0].max_seconds <= counters[0].total_seconds);
  char json[4096];
  const std::size_t length = collfs_counters_json(json, sizeof json);
  EXPECT(length > 0 && length < sizeof json && json[length] == '\0');
  EXPECT(contains(json,
                  "{\"operation\":\"read\",\"calls\":1,\"collective\":0,\"cached\":0,"
                  "\"failed\":0,\"bytes\":1000,\"totalSeconds\":0."));
  char few[5];
  EXPECT(collfs_counters_json(few, sizeof few) == length && std::string(few) == "[{\"o");
}

void testStack() {
  EXPECT_FAILURE(collfs_set_root(worldSize), EINVAL, ERR_COLLFS_STATE);
  EXPECT(collfs_root() == root);
  for (int other = 0; other < worldSize; ++other) {
    EXPECT(collfs_set_root(other) == 0 && collfs_root() == other);
    expectWell();
  }
  if (worldSize > 1) {
    EXPECT_FAILURE(collfs_set_root(worldRank == 0 ? 0 : 1), EPROTO, ERR_COLLFS_DIVERGED);
  }
  EXPECT(collfs_set_root(root) == 0);

  // Halves of it, each with its last rank as root.
  MPI_Comm half;
  MPI_Comm_split(MPI_COMM_WORLD, worldRank % 2, 0, &half);
  int size = 0;
  MPI_Comm_size(half, &size);
  EXPECT(collfs_comm_push(half, size - 1) == 0);
  EXPECT(collfs_depth() == 2 && collfs_size() == size && collfs_root() == size - 1);
  // They may differ from each other.
  const int fd = collfs_open(at(worldRank % 2 == 0 ? "small" : "several").c_str(), O_RDONLY);
  EXPECT(fd >= 0 && collfs_lseek(fd, 0, SEEK_END) == (worldRank % 2 == 0 ? 4096 : 5000001));
  EXPECT(collfs_comm_push(MPI_COMM_SELF, 0) == 0);
  expectWell();
  EXPECT(collfs_comm_pop() == 0);
  EXPECT(collfs_comm_pop() == 0);
  EXPECT(collfs_depth() == 1);
  EXPECT(collfs_close(fd) == 0);
  MPI_Comm_free(&half);

  EXPECT_FAILURE(collfs_comm_push(MPI_COMM_WORLD, worldSize), EINVAL, ERR_COLLFS_STATE);
  EXPECT_FAILURE(collfs_comm_push(MPI_COMM_WORLD, -1), EINVAL, ERR_COLLFS_STATE);
  if (worldSize > 1) {
    EXPECT_FAILURE(collfs_comm_push(MPI_COMM_WORLD, worldRank == 0 ? 1 : 0), EINVAL,
                   ERR_COLLFS_STATE);
  }
  EXPECT_FAILURE(collfs_comm_push(MPI_COMM_NULL, 0), EINVAL, ERR_COLLFS_STATE);
  if (worldSize > 1) {
    MPI_Comm group;
    MPI_Comm both;
    MPI_Comm_split(MPI_COMM_WORLD, worldRank == 0 ? 0 : 1, 0, &group);
    MPI_Intercomm_create(group, 0, MPI_COMM_WORLD, worldRank == 0 ? 1 : 0, 0, &both);
    EXPECT_FAILURE(collfs_comm_push(both, 0), EINVAL, ERR_COLLFS_STATE);
    MPI_Comm_free(&both);
    MPI_Comm_free(&group);
  }
  EXPECT(collfs_depth() == 1);
  expectWell();
}

/// Ranks 0 and 1, then 1 and 2, and so on: each communicator overlaps with the next.
void testOverlaps() {
  std::vector<MPI_Comm> pairs;
  for (int first = 0; first + 1 < worldSize; ++first) {
    const bool mine = worldRank == first || worldRank == first + 1;
    pairs.push_back(MPI_COMM_NULL);
    MPI_Comm_split(MPI_COMM_WORLD, mine ? 0 : MPI_UNDEFINED, 0, &pairs.back());
  }
  for (int turn = 0; turn < 4; ++turn) {
    for (MPI_Comm pair : pairs) {
      if (pair == MPI_COMM_NULL) continue;
      EXPECT(collfs_comm_push(pair, turn % 2) == 0 && collfs_size() == 2);
      expectWell();
      EXPECT(collfs_comm_pop() == 0);
    }
    expectWell();
  }
  for (MPI_Comm& pair : pairs) {
    if (pair != MPI_COMM_NULL) MPI_Comm_free(&pair);
  }
}

/// Where calls are not compared, ranks stay in step though one has no name.
void testNoNameUnchecked() {
  collfs_set_checked(0);
  for (int odd = 0; odd < worldSize; ++odd) {
    struct stat status;
    errno = 0;
    const int result = collfs_stat(worldRank == odd ? nullptr : at("small").c_str(), &status);
    if (worldRank == odd || odd == root) {
      EXPECT(result == -1 && errno == EFAULT);
      if (worldRank != odd) EXPECT(collfs_last_error()->code == ERR_COLLFS_LOCAL);
    } else {
      EXPECT(result == 0 && status.st_size == 4096);
    }
    expectWell();
  }
  collfs_set_checked(1);
}

/// What is no name, or no time, is the same error as the kernel's where all ranks ask for it.
void testOddArguments() {
  struct stat status[2];
  EXPECT(collfs_open(nullptr, O_RDONLY) == -1 && errno == EFAULT);
  EXPECT(collfs_stat(nullptr, status) == -1 && errno == EFAULT);
  EXPECT(collfs_opendir(nullptr) == nullptr && errno == EFAULT);
  EXPECT(collfs_realpath(nullptr, nullptr) == nullptr && errno == EINVAL);
  const char* const paths[] = {"/", nullptr};
  int fds[2];
  int errors[2];
  EXPECT(collfs_open_many(2, paths, O_RDONLY, fds, errors) == -1 && errno == EFAULT);
  EXPECT(collfs_stat_many(2, paths, 0, status, errors) == -1 && errno == EFAULT);
  for (const double seconds : {1.0 / 0.0, 1e300, 0.0 / 0.0, -1.0, 0.0}) {
    collfs_set_timeout(seconds);
    expectWell();
  }
}

/// The program has forgotten to pop. MPI would end the job for a message after its end.
void testAfterMpi() {
  EXPECT(collfs_comm_push(MPI_COMM_WORLD, root) == 0);
  MPI_Finalize();
  struct stat status;
  EXPECT_FAILURE(collfs_stat("/", &status), EIO, ERR_COLLFS_MPI);
  EXPECT_FAILURE(collfs_finalize(), EIO, ERR_COLLFS_MPI);
}

/// A rank that does not come is named, whichever it is; the communicator is of no use then.
void testTimeouts() {
  if (worldSize == 1) return;
  collfs_set_timeout(0.5);
  expectWell();
  for (const int missing : {last(), root == 0 ? 1 % worldSize : 0, root}) {
    EXPECT(collfs_comm_push(MPI_COMM_WORLD, root) == 0);
    struct stat status;
    if (worldRank != missing) {
      EXPECT_FAILURE(collfs_stat(at("small").c_str(), &status), ETIMEDOUT, ERR_COLLFS_TIMEOUT);
      EXPECT(collfs_last_error()->rank == missing);
      EXPECT(contains(collfs_last_error()->message, named(missing)));
      // At once now.
      EXPECT_FAILURE(collfs_open(at("small").c_str(), O_RDONLY), ETIMEDOUT, ERR_COLLFS_TIMEOUT);
    }
    // All but the missing one are through; it comes too late, and hears of it.
    MPI_Barrier(MPI_COMM_WORLD);
    if (worldRank == missing) {
      EXPECT_FAILURE(collfs_stat(at("small").c_str(), &status), ETIMEDOUT, ERR_COLLFS_TIMEOUT);
    }
    EXPECT(collfs_comm_pop() == 0);
    expectWell();
  }
  collfs_set_timeout(0);
}

}  // namespace

/// libcollfs's, and everybody's.
extern "C" ssize_t pread(int fd, void* to, size_t bytes, off_t offset) {
  const off_t size = nextSize.exchange(-1);
  if (size >= 0 && truncate(changing.c_str(), size) != 0) return -1;
  return syscall(SYS_pread64, fd, to, bytes, offset);
}

int main(int argc, char** argv) {
  EXPECT(argc >= 3);
  directory = argv[1];
  struct stat status;
  // Before MPI and collfs, all is libc.
  EXPECT(collfs_stat(at("small").c_str(), &status) == 0);
  EXPECT_FAILURE(collfs_comm_push(MPI_COMM_WORLD, 0), EIO, ERR_COLLFS_MPI);
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &worldRank);
  MPI_Comm_size(MPI_COMM_WORLD, &worldSize);
  root = std::atoi(argv[2]);
  if (worldRank != last()) collfs_init(0, nullptr, nullptr);
  EXPECT_FAILURE(collfs_comm_push(MPI_COMM_WORLD, root), EINVAL, ERR_COLLFS_STATE);
  EXPECT(collfs_last_error()->rank == last());
  collfs_init(0, nullptr, nullptr);
  EXPECT_FAILURE(collfs_comm_pop(), EINVAL, ERR_COLLFS_STATE);
  EXPECT(collfs_comm_push(MPI_COMM_WORLD, root) == 0);
  if (argc > 3) {
    testTimeouts();
  } else {
    testDivergence();
    testDescriptorsRunOut();
    testSpaceRunsOut();
    testChangingFiles();
    testThreads();
    testRememberedAnswers();
    testCounters();
    testStack();
    testOverlaps();
    testOddArguments();
    testNoNameUnchecked();
  }
  EXPECT(collfs_finalize() == 0);
  testAfterMpi();
  std::puts("ok");
}
