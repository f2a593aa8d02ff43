// Checks native/src/mpi without Node.js, on any number of ranks. Prints "ok" on every rank.

#include <fcntl.h>
#include <mpi.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../../native/src/mpi/broadcast_file.h"
#include "../../native/src/mpi/check.h"
#include "../../native/src/mpi/communicator.h"
#include "../../native/src/mpi/environment.h"
#include "../../native/src/mpi/two_trees.h"
#include "../../native/src/mpi/wait_any.h"

using walla::mpi::Communicator;

namespace {

void expect(bool condition, const char* what, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: expected %s\n", line, what);
  std::exit(1);
}
#define EXPECT(condition) expect(condition, #condition, __LINE__)

/// A file in memory with bytes that differ from place to place.
int memoryFile(std::int64_t bytes, bool filled) {
  const int fd = memfd_create("walla-test", MFD_CLOEXEC);
  EXPECT(fd >= 0 && ftruncate(fd, bytes) == 0);
  std::vector<unsigned char> content(std::size_t(filled ? bytes : 0));
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<unsigned char>(i * 7);
  EXPECT(pwrite(fd, content.data(), content.size(), 0) == ssize_t(content.size()));
  return fd;
}

std::vector<unsigned char> contentOf(int fd, std::int64_t bytes) {
  std::vector<unsigned char> content(static_cast<std::size_t>(bytes));
  EXPECT(pread(fd, content.data(), content.size(), 0) == ssize_t(bytes));
  return content;
}

/// The limit is lowered so that everything goes in pieces, as it would beyond 1 GiB.
void testPieces(const Communicator& comm) {
  const int rank = comm.rank();
  const int size = comm.size();
  for (const std::int64_t limit : {8, 24, 1 << 20}) {
    walla::mpi::messageLimit = limit;
    std::vector<std::uint8_t> mine(std::size_t(10 * rank + 1), std::uint8_t(rank));
    for (int root = 0; root < size; ++root) {
      auto gathered = comm.gather(mine.data(), std::int64_t(mine.size()), root);
      EXPECT(gathered.count() == std::size_t(rank == root ? size : 0));
      for (std::size_t r = 0; r < gathered.count(); ++r) {
        EXPECT(gathered.size(r) == 10 * r + 1);
        for (std::size_t i = 0; i < gathered.size(r); ++i) EXPECT(gathered.data(r)[i] == r);
      }
      std::vector<double> numbers(100, rank == root ? 1.5 : 0.0);
      comm.bcast(numbers.data(), 800, root);
      for (const double number : numbers) EXPECT(number == 1.5);
    }
    auto all = comm.allgather(mine.data(), std::int64_t(mine.size()));
    EXPECT(all.count() == std::size_t(size));
    for (std::size_t r = 0; r < all.count(); ++r) {
      for (std::size_t i = 0; i < all.size(r); ++i) EXPECT(all.data(r)[i] == r);
    }
    std::vector<std::int64_t> sums(50, rank);
    comm.allreduce(sums.data(), 50, walla::mpi::Op::kSum, rank == 0);
    for (const std::int64_t sum : sums) EXPECT(sum == size * (size - 1) / 2);
  }
  walla::mpi::messageLimit = std::int64_t{1} << 30;
}

void testFiles(const Communicator& comm) {
  constexpr std::int64_t kBytes = 3 * 100'000 + 11;
  const int source = memoryFile(kBytes, true);
  for (int root = 0; root < comm.size(); ++root) {
    for (const bool rootReceives : {true, false}) {
      const int target = memoryFile(kBytes, false);
      walla::mpi::FileBroadcast transfer;
      transfer.root = root;
      transfer.bytes = kBytes;
      transfer.chunkBytes = 5'000;
      transfer.sourceFd = comm.rank() == root ? source : -1;
      transfer.targetFd = comm.rank() == root && !rootReceives ? -1 : target;
      const std::string digest = walla::mpi::broadcastFile(comm, transfer);
      EXPECT(digest.size() == 64);
      EXPECT(transfer.targetFd < 0 || contentOf(target, kBytes) == contentOf(source, kBytes));
      auto digests = comm.allgather(digest.data(), 64);
      for (std::size_t r = 0; r < digests.count(); ++r) {
        EXPECT(digest == std::string(reinterpret_cast<char*>(digests.data(r)), 64));
      }
      close(target);
    }
  }
  close(source);
}

/// Each tree reaches every rank, no rank has more children in both together than one tree may give
/// it, and no way is longer than said. Needs no messages, so for more ranks than there are here.
void testTrees() {
  for (const int size : {1, 2, 3, 4, 5, 8, 9, 31, 32, 33, 100, 1000}) {
    for (const int root : {0, size / 2, size - 1}) {
      std::vector<int> children(std::size_t(size), 0);
      int deepest = 0;
      for (int tree = 0; tree < 2; ++tree) {
        for (int rank = 0; rank < size; ++rank) {
          int depth = 0;
          for (int at = rank; at != root && depth <= size; ++depth) {
            const int parent = walla::mpi::placeInTree(tree, at, size, root).parent;
            const auto place = walla::mpi::placeInTree(tree, parent, size, root);
            EXPECT(place.children[0] == at || place.children[1] == at);
            at = parent;
          }
          deepest = std::max(deepest, depth);
          for (const int child : walla::mpi::placeInTree(tree, rank, size, root).children) {
            if (child >= 0) ++children[std::size_t(rank)];
          }
        }
        EXPECT(walla::mpi::placeInTree(tree, root, size, root).parent == -1);
      }
      for (const int count : children) EXPECT(count <= 2);
      EXPECT(deepest == walla::mpi::depthOfTrees(size));
    }
  }
}

void testErrors(const Communicator& comm) {
  try {
    comm.bcast(nullptr, 1, comm.size());
    EXPECT(!"an error for a root that is none");
  } catch (const walla::mpi::MpiError& error) {
    EXPECT(error.errorClass() == MPI_ERR_ROOT);
    EXPECT(error.call() == "MPI_Ibcast");
    EXPECT(std::string(error.what()).rfind("MPI_Ibcast failed: ", 0) == 0);
  }
}

/// Each rank is late once, by more than the others' patience. It comes all the same, so nobody is
/// missing: the others are told so, or it has come while they asked.
void testAgreement(const Communicator& comm) {
  for (int late = 0; late < comm.size(); ++late) {
    if (comm.rank() == late) usleep(700'000);
    double least[] = {double(comm.rank()), -double(comm.rank())};
    comm.agree(least, 2, 300);
    EXPECT(least[0] == 0 && least[1] == 1 - comm.size());
  }
}

double processorSeconds() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return double(used.tv_sec) + double(used.tv_nsec) / 1e9;
}

/// A rank whose two threads have one core between them: the one that waits for a message leaves
/// most of it to the one that works. Each rank in turn, while the next one waits to send the
/// message.
void testSharedCore(const Communicator& comm) {
  constexpr double kWorkSeconds = 0.3;
  const int size = comm.size();
  for (int waiter = 0; waiter < size && size > 1; ++waiter) {
    // Goes when the work is done.
    char name[] = "/tmp/walla-shared-core-XXXXXX";
    if (comm.rank() == waiter) close(mkstemp(name));
    comm.bcast(name, sizeof name, waiter);
    int nothing = 0;
    if (comm.rank() == waiter) {
      cpu_set_t before;
      cpu_set_t one;
      CPU_ZERO(&one);
      EXPECT(sched_getaffinity(0, sizeof before, &before) == 0);
      CPU_SET(std::size_t(sched_getcpu()), &one);
      EXPECT(sched_setaffinity(0, sizeof one, &one) == 0);
      MPI_Request request = MPI_REQUEST_NULL;
      MPI_Irecv(&nothing, 1, MPI_INT, (waiter + 1) % size, 0, comm.handle(), &request);
      std::thread work([&name] {
        while (processorSeconds() < kWorkSeconds) {
        }
        unlink(name);
      });
      const double start = processorSeconds();
      walla::mpi::AnyWait wait;
      EXPECT(wait(1, &request, MPI_STATUS_IGNORE) == 0);
      EXPECT(processorSeconds() - start < kWorkSeconds / 2);
      work.join();
      EXPECT(sched_setaffinity(0, sizeof before, &before) == 0);
    } else if (comm.rank() == (waiter + 1) % size) {
      while (access(name, F_OK) == 0) usleep(1'000);
      MPI_Send(&nothing, 1, MPI_INT, waiter, 0, comm.handle());
    }
    comm.barrier(true);
  }
}

}  // namespace

int main() {
  EXPECT(!walla::mpi::isInitialized());
  try {
    walla::mpi::requireUsable();
    EXPECT(!"an error before initialize");
  } catch (const walla::mpi::EnvironmentError&) {
  }
  EXPECT(walla::mpi::initialize().initializedHere);
  EXPECT(&walla::mpi::initialize() == &walla::mpi::initialize());
  {
    auto world = Communicator::duplicate(MPI_COMM_WORLD);
    testPieces(world);
    testTrees();
    testFiles(world);
    testErrors(world);
    testAgreement(world);
    testSharedCore(world);
    auto node = world.splitByNode();
    auto leaders = world.split(node.rank() == 0 ? std::optional<int>(0) : std::nullopt, 0);
    EXPECT(leaders.has_value() == (node.rank() == 0));
    world.barrier(true);
  }
  std::puts("ok");
  return 0;  // the exit handler finalizes
}
