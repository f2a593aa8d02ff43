#pragma once

#define COLLFS_NO_MPI
#include "../collfs/collfs.h"

// What the preload library calls of libcollfs. Which of the libraries it is, the MPI of the process
// tells; so it is loaded then, and not linked with.
#define COLLFS_LIBRARY_FUNCTIONS(F) \
  F(collfs_init)                    \
  F(collfs_world_push)              \
  F(collfs_comm_pop)                \
  F(collfs_depth)                   \
  F(collfs_rank)                    \
  F(collfs_root)                    \
  F(collfs_is_collective)           \
  F(collfs_is_shared)               \
  F(collfs_set_checked)             \
  F(collfs_set_timeout)             \
  F(collfs_set_cache)               \
  F(collfs_set_debug_level)         \
  F(collfs_last_error)              \
  F(collfs_clear_error)             \
  F(collfs_open)                    \
  F(collfs_close)                   \
  F(collfs_fstat)                   \
  F(collfs_fstatat)                 \
  F(collfs_statx)                   \
  F(collfs_faccessat)               \
  F(collfs_readlink)                \
  F(collfs_realpath)                \
  F(collfs_opendir)                 \
  F(collfs_readdir)                 \
  F(collfs_rewinddir)               \
  F(collfs_closedir)                \
  F(collfs_counters_print)

namespace walla::preload {

struct CollfsLibrary {
#define COLLFS_MEMBER(name) decltype(&::name) name;
  COLLFS_LIBRARY_FUNCTIONS(COLLFS_MEMBER)
#undef COLLFS_MEMBER
};

/// Loads the libcollfs that lies beside this library, or takes the one that the program has.
/// @param mpiVersion text of MPI_Get_library_version
/// @param problem set to a sentence if it cannot be had
/// @returns false then
bool loadCollfs(const char* mpiVersion, const char*& problem);

/// Valid once loaded.
extern CollfsLibrary collfs;

}  // namespace walla::preload
