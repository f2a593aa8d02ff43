// Each rank is in a PID namespace of its own, where it has the same number as all others: the
// descriptors of a process of that number are its own, not its head's.
//
//     namespaces_test DIRECTORY

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

namespace {

std::string contentOf(int fd) {
  std::string text;
  char part[70000];
  ssize_t got = 0;
  while ((got = read(fd, part, sizeof part)) > 0) text.append(part, std::size_t(got));
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc >= 2);
  const std::string directory = argv[1];
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &worldRank);
  MPI_Comm_size(MPI_COMM_WORLD, &worldSize);
  int process = getpid();
  int least = 0;
  MPI_Allreduce(&process, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  EXPECT(process == least);
  // Whatever number the head gives its copies, here something else has it.
  for (int i = 0; i < 100 * worldRank; ++i) EXPECT(open("/dev/null", O_RDONLY) >= 0);
  collfs_init(0, nullptr, nullptr);
  EXPECT(collfs_comm_push(MPI_COMM_WORLD, 0) == 0);
  for (const char* const name : {"small", "inline", "several", "small"}) {
    const std::string path = directory + "/" + name;
    const int fd = collfs_open(path.c_str(), O_RDONLY);
    const int own = open(path.c_str(), O_RDONLY);
    EXPECT(fd >= 0 && collfs_is_shared(fd) == 1 && contentOf(fd) == contentOf(own));
    EXPECT(collfs_close(fd) == 0 && close(own) == 0);
  }
  EXPECT(collfs_finalize() == 0);
  end();
}
