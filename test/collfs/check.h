// What the programs that test libcollfs share. Each runs one scenario on any number of ranks and prints
// "ok" on every rank.
#pragma once

#include <mpi.h>

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
  std::fprintf(stderr, "[rank %d] %s:%d: expected %s; errno %d; last error %s: %s\n", worldRank, file,
               line, what, errno, last->name, last->message);
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::exit(1);
}
#define EXPECT(condition) expect(condition, #condition, __FILE__, __LINE__)

/// A call failed with this errno, and with this code of collfs.
#define EXPECT_FAILURE(call, number, expectedCode)                  \
  do {                                                              \
    errno = 0;                                                      \
    EXPECT((call) == -1);                                           \
    EXPECT(errno == (number));                                      \
    EXPECT(collfs_last_error()->code == (expectedCode));            \
  } while (false)

/// Bytes that differ from place to place.
inline std::string pattern(std::size_t bytes, unsigned seed = 1) {
  std::string text(bytes, '\0');
  unsigned state = seed * 2654435761u + 1;
  for (char& c : text) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

inline bool contains(const char* text, const std::string& part) {
  return std::string(text).find(part) != std::string::npos;
}
