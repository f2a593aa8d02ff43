// What the programs that test libcollfs share. Each runs one scenario on any number of ranks and
// prints "ok" on every rank.
#pragma once

#include <mpi.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../native/src/collfs/collfs.h"

inline int worldRank = 0;
inline int worldSize = 1;

inline void expect(bool condition, const char* what, const char* file, int line) {
  if (condition) return;
  const collfs_error* const last = collfs_last_error();
  std::fprintf(stderr, "[rank %d] %s:%d: expected %s; errno %d; last error %s: %s\n", worldRank,
               file, line, what, errno, last->name, last->message);
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::exit(1);
}
#define EXPECT(condition) expect(condition, #condition, __FILE__, __LINE__)

/// A call failed with this errno, and with this code of collfs.
#define EXPECT_FAILURE(call, number, expectedCode)       \
  do {                                                   \
    errno = 0;                                           \
    EXPECT((call) == -1);                                \
    EXPECT(errno == (number));                           \
    EXPECT(collfs_last_error()->code == (expectedCode)); \
  } while (false)

/// The test has passed.
[[noreturn]] inline void end() {
  std::puts("ok");
  std::fflush(stdout);
  MPI_Finalize();
  std::exit(0);
}

inline bool contains(const char* text, const std::string& part) {
  return std::string(text).find(part) != std::string::npos;
}
