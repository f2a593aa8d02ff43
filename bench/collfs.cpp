// Times collfs_open against MPI_Bcast on the ranks it runs on; rows take turns, so that a change of
// the machine's speed meets all of them. Rank 0 prints JSON: per row the seconds of every round,
// the longest of all ranks, and the processor time of all ranks together.
//
// A broadcast ends on root before it has arrived anywhere, so small ones are timed in chains: the
// root of each is a rank that the one before reaches last (in a binomial tree: the rank before its
// root), which cannot begin until then. Opens wait for all ranks by themselves.
//
//     bench-collfs LARGE_FILE SMALL_FILE LARGE_ROUNDS SMALL_ROUNDS

#include <collfs.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace {

struct Row {
  const char* name;
  std::function<void(int turn)> work;
  /// Not timed.
  std::function<void()> after = {};
  std::vector<double> seconds = {};
  std::vector<double> processorSeconds = {};
};

double processorTime() {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return double(time.tv_sec) + time.tv_usec * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Each sample is the mean of so many turns in a row.
void measure(std::vector<Row>& rows, int rounds, int turns) {
  // The first round pays for connections.
  for (int round = -1; round < rounds; ++round) {
    for (Row& row : rows) {
      MPI_Barrier(MPI_COMM_WORLD);
      const double processorStart = processorTime();
      const double start = MPI_Wtime();
      for (int turn = 0; turn < turns; ++turn) row.work(turn);
      double elapsed = (MPI_Wtime() - start) / turns;
      double used = (processorTime() - processorStart) / turns;
      MPI_Allreduce(MPI_IN_PLACE, &elapsed, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
      MPI_Allreduce(MPI_IN_PLACE, &used, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
      if (row.after) row.after();
      if (round < 0) continue;
      row.seconds.push_back(elapsed);
      row.processorSeconds.push_back(used);
    }
  }
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "bench-collfs: %s: %s\n", what, collfs_last_error()->message);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

std::string asJson(const std::vector<double>& values) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%s%.9f", i > 0 ? ", " : "", values[i]);
    text += number;
  }
  return text + "]";
}

std::string asJson(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    text += std::string("  \"") + row.name + "\": {\"seconds\": " + asJson(row.seconds) +
            ",\n    \"processorSeconds\": " + asJson(row.processorSeconds) + "},\n";
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const char* const large = argv[1];
  const char* const small = argv[2];
  MPI_Init(&argc, &argv);
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  collfs_init(1, nullptr, nullptr);
  require(collfs_comm_push(MPI_COMM_WORLD, 0) == 0, "push");

  struct stat status;
  require(collfs_stat(large, &status) == 0, large);
  const auto bytes = static_cast<std::size_t>(status.st_size);
  std::vector<char> warm(bytes, 'x');
  char tiny[4096] = {};
  char* fresh = nullptr;
  int fd = -1;
  // All copies are there: one on each node, and counted once for all its ranks.
  double copyBytes = 0;

  std::vector<Row> largeRows = {
      {"bcast", [&](int) { MPI_Bcast(warm.data(), int(bytes), MPI_BYTE, 0, MPI_COMM_WORLD); }, {}},
      {"bcast_into_new_memory",
       [&](int) {
         fresh = static_cast<char*>(
             mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
         require(fresh != MAP_FAILED, "mmap");
         MPI_Bcast(rank == 0 ? warm.data() : fresh, int(bytes), MPI_BYTE, 0, MPI_COMM_WORLD);
       },
       [&] { munmap(fresh, bytes); }},
      {"open",
       [&](int) {
         fd = collfs_open(large, O_RDONLY);
         require(fd >= 0, large);
       },
       [&] {
         struct stat copy;
         fstat(fd, &copy);
         std::vector<unsigned long> inodes(1, copy.st_ino);
         inodes.resize(static_cast<std::size_t>(size));
         const unsigned long mine = copy.st_ino;
         MPI_Allgather(&mine, 1, MPI_UNSIGNED_LONG, inodes.data(), 1, MPI_UNSIGNED_LONG,
                       MPI_COMM_WORLD);
         std::sort(inodes.begin(), inodes.end());
         const auto copies = std::unique(inodes.begin(), inodes.end()) - inodes.begin();
         copyBytes = double(copies) * double(copy.st_blocks) * 512;
         collfs_close(fd);
       }},
  };
  measure(largeRows, std::atoi(argv[3]), 1);

  std::vector<Row> smallRows = {
      {"bcast_64",
       [&](int turn) { MPI_Bcast(tiny, 64, MPI_BYTE, turn * (size - 1) % size, MPI_COMM_WORLD); },
       {}},
      {"bcast_4096",
       [&](int turn) { MPI_Bcast(tiny, 4096, MPI_BYTE, turn * (size - 1) % size, MPI_COMM_WORLD); },
       {}},
      {"open_read_close",
       [&](int) {
         const int each = collfs_open(small, O_RDONLY);
         require(each >= 0, small);
         require(collfs_read(each, tiny, sizeof tiny) == sizeof tiny, "read");
         collfs_close(each);
       },
       {}},
      {"stat", [&](int) { collfs_stat(small, &status); }, {}},
      {"plain_open_read_close",
       [&](int) {
         const int each = open(small, O_RDONLY);
         require(each >= 0 && read(each, tiny, sizeof tiny) == sizeof tiny, "plain");
         close(each);
       },
       {}},
  };
  constexpr int kTurns = 20;
  measure(smallRows, std::atoi(argv[4]), kTurns);

  if (rank == 0) {
    std::printf("{\n%s%s  \"copyBytes\": %.0f\n}\n", asJson(largeRows).c_str(),
                asJson(smallRows).c_str(), copyBytes);
  }
  collfs_finalize();
  MPI_Finalize();
  return 0;
}
