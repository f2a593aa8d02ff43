// A rank's node has no directory that may be written; later it has.
//
//     unwritable_test DIRECTORY

#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "check.h"

namespace {

constexpr const char* kPlaces[] = {"/dev/shm", "/tmp", "/run", "/var/tmp"};

/// For this thread alone.
void makeUnwritable() {
  EXPECT(unshare(CLONE_NEWNS) == 0);
  EXPECT(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  for (const char* const place : kPlaces) {
    EXPECT(mount(place, place, nullptr, MS_BIND, nullptr) == 0);
    EXPECT(mount(nullptr, place, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc >= 2);
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &worldRank);
  MPI_Comm_size(MPI_COMM_WORLD, &worldSize);
  unsetenv("TMPDIR");
  collfs_init(0, nullptr, nullptr);
  const int odd = worldSize - 1;
  if (worldRank == odd) makeUnwritable();
  EXPECT_FAILURE(collfs_comm_push(MPI_COMM_WORLD, 0), EROFS, ERR_COLLFS_LOCAL);
  EXPECT(collfs_last_error()->rank == odd);
  EXPECT(contains(collfs_last_error()->message, "rank " + std::to_string(odd) + "@"));
  EXPECT(contains(collfs_last_error()->hint, "/dev/shm"));
  EXPECT(collfs_depth() == 0);
  for (const char* const place : kPlaces) {
    if (worldRank == odd) EXPECT(umount2(place, MNT_DETACH) == 0);
  }
  EXPECT(collfs_comm_push(MPI_COMM_WORLD, 0) == 0);
  struct stat status;
  EXPECT(collfs_stat(argv[1], &status) == 0);
  EXPECT(collfs_finalize() == 0);
  end();
}
