/* A program that uses collfs to say where calls of libc are collective. */
#include <collfs.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void opened(const char* when, const char* path) {
  const int fd = open(path, O_RDONLY);
  printf("%s %s\n", when, collfs_is_shared(fd) ? "shared" : "own");
  close(fd);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  MPI_Init(&argc, &argv);
  if (collfs_init(1, NULL, NULL) != 0) return 1;
  opened("before", argv[1]);
  if (collfs_comm_push(MPI_COMM_WORLD, 0) != 0) return 1;
  opened("pushed", argv[1]);
  if (collfs_comm_pop() != 0) return 1;
  opened("popped", argv[1]);
  MPI_Finalize();
  return 0;
}
