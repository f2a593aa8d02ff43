/* For MPICH 4.0 over UCX's TCP, by LD_PRELOAD: goes on with UCX's work while MPI_Finalize waits for
   the launcher.

   MPI_Finalize closes the connections of a rank, for which the other side has to acknowledge what
   was sent, and then waits for all ranks by a barrier of the launcher: a read of the socket PMI_FD,
   during which nothing is acknowledged. So ranks that are through keep those that are not from
   ending, now and then for ever. Newer releases of MPICH, and transports of hardware that
   acknowledges by itself, are not concerned. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 64 };
static void* workers[MOST];

/* A library that was loaded out of the sight of others does not come next. */
static void* next(const char* name) {
  void* const function = dlsym(RTLD_NEXT, name);
  return function != NULL ? function : dlsym(dlopen("libucp.so.0", RTLD_LAZY | RTLD_NOLOAD), name);
}

/* What UCX's functions take and return, as far as it matters here: pointers, and a status of one
 * byte. */
signed char ucp_worker_create(void* context, const void* parameters, void** worker) {
  signed char (*const create)(void*, const void*, void**) = next("ucp_worker_create");
  const signed char status = create(context, parameters, worker);
  for (int i = 0; status == 0 && i < MOST; i++) {
    if (workers[i] != NULL) continue;
    workers[i] = *worker;
    break;
  }
  return status;
}

void ucp_worker_destroy(void* worker) {
  void (*const destroy)(void*) = next("ucp_worker_destroy");
  for (int i = 0; i < MOST; i++) {
    if (workers[i] == worker) workers[i] = NULL;
  }
  destroy(worker);
}

static int launcher(void) {
  const char* const number = getenv("PMI_FD");
  return number == NULL ? -1 : atoi(number);
}

ssize_t read(int fd, void* buffer, size_t bytes) {
  static ssize_t (*read_of_libc)(int, void*, size_t);
  static unsigned (*progress)(void*);
  if (read_of_libc == NULL) read_of_libc = next("read");
  if (workers[0] != NULL && fd == launcher()) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    if (progress == NULL) progress = next("ucp_worker_progress");
    while (poll(&waiting, 1, 1) == 0) {
      for (int i = 0; i < MOST; i++) {
        while (workers[i] != NULL && progress(workers[i]) != 0) {
        }
      }
    }
  }
  return read_of_libc(fd, buffer, bytes);
}
