// tar_broadcast ARCHIVE DIRECTORY COMMAND...
//
// What sbcast and python-mpi-bcast do, in one small program: rank 0 reads a tar file whole,
// MPI_Bcast brings it to one rank on each node, tar unpacks it into DIRECTORY there, and when all
// nodes are done every rank becomes COMMAND. The archive goes from memory straight into tar,
// without a second copy on the node. Ranks that only wait sleep.
#include <mpi.h>

#include <unistd.h>
#include <climits>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::perror(what.c_str());
  MPI_Abort(MPI_COMM_WORLD, 1);
  _exit(1);
}

std::vector<char> read_whole(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr || std::fseek(file, 0, SEEK_END) != 0) fail(path);
  const long size = std::ftell(file);
  std::rewind(file);
  if (size < 0 || size > INT_MAX) fail(std::string(path) + " is too large for one broadcast");
  std::vector<char> bytes(static_cast<std::size_t>(size));
  if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) fail(path);
  std::fclose(file);
  return bytes;
}

void unpack(const std::vector<char>& bytes, const std::string& directory) {
  const std::string command = "mkdir -p '" + directory + "' && tar -xf - -C '" + directory + "'";
  std::FILE* tar = popen(command.c_str(), "w");
  if (tar == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), tar) != bytes.size() ||
      pclose(tar) != 0)
    fail("tar");
}

void sleep_until_all_are_here() {
  MPI_Request request;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int done = 0;;) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done != 0) return;
    const timespec pause = {0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: tar_broadcast ARCHIVE DIRECTORY COMMAND...\n", stderr);
    return 2;
  }
  MPI_Init(&argc, &argv);
  int rank;
  int local_rank;
  MPI_Comm node;
  MPI_Comm leaders;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &local_rank);
  MPI_Comm_split(MPI_COMM_WORLD, local_rank == 0 ? 0 : MPI_UNDEFINED, rank, &leaders);
  if (leaders != MPI_COMM_NULL) {
    std::vector<char> bytes;
    if (rank == 0) bytes = read_whole(argv[1]);
    int size = static_cast<int>(bytes.size());
    MPI_Bcast(&size, 1, MPI_INT, 0, leaders);
    bytes.resize(static_cast<std::size_t>(size));
    MPI_Bcast(bytes.data(), size, MPI_CHAR, 0, leaders);
    unpack(bytes, argv[2]);
  }
  sleep_until_all_are_here();
  MPI_Finalize();
  execvp(argv[3], argv + 3);
  std::perror(argv[3]);
  return 127;
}
