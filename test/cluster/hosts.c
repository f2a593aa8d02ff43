/* Prints what a rank sees of the cluster, and moves some bytes over it. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int rank, size, local_rank, local_size;
  MPI_Comm node;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &local_rank);
  MPI_Comm_size(node, &local_size);
  char host[64];
  gethostname(host, sizeof host);

  int bytes = argc > 1 ? atoi(argv[1]) : 0;
  char *buffer = calloc(1, bytes + 1);
  if (rank == 0) buffer[bytes] = 42;
  MPI_Bcast(buffer, bytes + 1, MPI_CHAR, 0, MPI_COMM_WORLD);

  printf("%d/%d %s %d/%d %d\n", rank, size, host, local_rank, local_size, buffer[bytes]);
  free(buffer);

  MPI_Comm_free(&node);
  MPI_Finalize();
  return 0;
}
