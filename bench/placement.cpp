// Times the placement of an image on the ranks it runs on, one a node, against MPI_Bcast of the
// same bytes; rows take turns, so that a change of the machine's speed meets all of them. Rank 0
// prints JSON: per row the seconds of every round, the longest of all ranks.
//
//     bench-placement IMAGE ROUNDS [CHUNK_BYTES...]

#include <fcntl.h>
#include <mpi.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "../native/src/mpi/broadcast_file.h"
#include "../native/src/mpi/communicator.h"
#include "../native/src/mpi/environment.h"

namespace {

struct Row {
  std::string name;
  /// Not timed.
  std::function<void()> before;
  std::function<void()> work;
  std::function<void()> after;
  std::vector<double> seconds = {};
};

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "bench-placement: %s failed\n", what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  walla::mpi::initialize();
  const auto comm = walla::mpi::Communicator::duplicate(MPI_COMM_WORLD);
  const int source = open(argv[1], O_RDONLY);
  struct stat status {};
  require(source >= 0 && fstat(source, &status) == 0, argv[1]);
  const auto bytes = static_cast<std::size_t>(status.st_size);
  std::vector<char> warm(bytes, 'x');
  void* fresh = nullptr;
  int target = -1;
  const auto nothing = [] {};
  const auto place = [&](std::int64_t chunkBytes, bool digest) {
    walla::mpi::FileBroadcast transfer;
    transfer.sourceFd = comm.rank() == 0 ? source : -1;
    transfer.targetFd = target;
    transfer.bytes = status.st_size;
    transfer.chunkBytes = chunkBytes;
    transfer.hashFrom = digest ? 0 : status.st_size;
    walla::mpi::broadcastFile(comm, transfer);
  };
  // As staging does before the transfer: a file in the node's tmpfs with its blocks reserved.
  const auto reserve = [&] {
    target = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    require(target >= 0 && posix_fallocate(target, 0, status.st_size) == 0, "reserving");
  };
  const auto release = [&] { close(target); };

  std::vector<Row> rows = {
      {"bcast", nothing, [&] { MPI_Bcast(warm.data(), int(bytes), MPI_BYTE, 0, comm.handle()); },
       nothing},
      {"bcast_into_new_memory",
       [&] {
         fresh = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         require(fresh != MAP_FAILED, "mmap");
       },
       [&] {
         MPI_Bcast(comm.rank() == 0 ? warm.data() : fresh, int(bytes), MPI_BYTE, 0, comm.handle());
       },
       [&] { munmap(fresh, bytes); }},
      {"bcast_into_new_file", reserve,
       [&] {
         fresh = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, target, 0);
         require(fresh != MAP_FAILED, "mmap");
         MPI_Bcast(comm.rank() == 0 ? warm.data() : fresh, int(bytes), MPI_BYTE, 0, comm.handle());
         munmap(fresh, bytes);
       },
       release},
      {"placement", reserve, [&] { place(0, true); }, release},
      {"placement_no_digest", reserve, [&] { place(0, false); }, release},
  };
  for (int i = 3; i < argc; ++i) {
    const std::int64_t chunkBytes = std::atoll(argv[i]);
    rows.push_back({std::string("placement_") + argv[i], reserve,
                    [&place, chunkBytes] { place(chunkBytes, true); }, release});
  }

  // The first round pays for connections.
  for (int round = -1; round < std::atoi(argv[2]); ++round) {
    for (Row& row : rows) {
      row.before();
      comm.barrier();
      const double start = MPI_Wtime();
      row.work();
      double elapsed = MPI_Wtime() - start;
      comm.allreduce(&elapsed, 1, walla::mpi::Op::kMax);
      row.after();
      if (round >= 0) row.seconds.push_back(elapsed);
    }
  }
  if (comm.rank() == 0) {
    const char* separator = "{";
    for (const Row& row : rows) {
      std::printf("%s\"%s\": [", separator, row.name.c_str());
      for (std::size_t i = 0; i < row.seconds.size(); ++i) {
        std::printf("%s%.6f", i > 0 ? ", " : "", row.seconds[i]);
      }
      std::printf("]");
      separator = ", ";
    }
    std::puts("}");
  }
  close(source);
  return 0;  // the exit handler finalizes
}
