/*
 * collfs: file operations that all ranks of a communicator make together.
 *
 * One rank, the root, asks the file system; the others get its answer, its data or its errno over
 * MPI. A stack of communicators says who "together" is: while it is empty every function is its
 * libc namesake. Link with one of libcollfs-openmpi.so and libcollfs-mpich.so, the one of the
 * program's MPI.
 *
 * What each comment says:
 *   collective   all ranks of the communicator on top of the stack call it, in the same order, with
 * the same path and flags. With an empty stack, in a child made by fork, or when called from within
 * collfs itself (MPI opens files too), it is the libc function of that name. local        no
 * communication, may be called by any rank at any time.
 *
 * Errors: as in libc, -1 (or NULL, MAP_FAILED) and errno, the same on every rank of a collective
 * call. What root's file system said is root's errno and nothing more. What collfs itself has to
 * report has a code (ERR_COLLFS_*) besides, which collfs_last_error() tells and the error handler
 * is called with. Output parameters are written only on success unless said otherwise.
 *
 * Threads: the thread that pushes a communicator is the only one that may make collective calls on
 * it and pop it; others get EPERM and ERR_COLLFS_THREAD. Local functions may be called from any
 * thread. Nothing here may be called in a signal handler, except collfs_is_collective().
 *
 * Ownership: paths and buffers belong to the caller and are not kept after the call.
 */
#ifndef COLLFS_H
#define COLLFS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Define COLLFS_NO_MPI to do without mpi.h, and without collfs_comm_push. */
#ifndef COLLFS_NO_MPI
#include <mpi.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COLLFS_API __attribute__((visibility("default")))
#else
#define COLLFS_API
#endif

#define COLLFS_VERSION "0.1.0"

struct statx; /* of <sys/stat.h> with _GNU_SOURCE, or <linux/stat.h> */

/* ---- errors ---------------------------------------------------------------------------------- */

/* Codes do not change their numbers. In brackets: errno. */
enum collfs_code {
  COLLFS_OK = 0,
  ERR_COLLFS_DIVERGED = 1, /* ranks made different calls [EPROTO] */
  ERR_COLLFS_TIMEOUT = 2, /* a rank did not arrive in time; this communicator is out of use until it
                             is popped [ETIMEDOUT] */
  ERR_COLLFS_LOCAL = 3,   /* a rank lacked something of its own: memory, descriptors [its errno] */
  ERR_COLLFS_TYPE = 4,    /* neither a regular file nor a directory [ENXIO] */
  ERR_COLLFS_CHANGED = 5, /* the file became shorter while root read it [ESTALE] */
  ERR_COLLFS_THREAD = 6,  /* a collective call from a thread that may not make it [EPERM] */
  ERR_COLLFS_MPI = 7,     /* a call of MPI failed, or MPI is not initialized or is finalized; this
                             communicator is out of use until it is popped [EIO] */
  ERR_COLLFS_STATE = 8    /* not initialized, nothing to pop, a root that is no rank [EINVAL] */
};

typedef struct collfs_error {
  enum collfs_code code;
  const char* name; /* "ERR_COLLFS_DIVERGED" */
  int error_number; /* what errno is set to */
  int rank;         /* in the communicator: the rank that failed, diverged or is missing; -1 if that
                       is no single rank */
  const char* operation; /* "open" */
  const char* path;      /* as passed to the operation here; "" if it has none */
  const char* message;   /* one line: what happened, with numbers, ranks and hosts */
  const char* hint;      /* one line: what to do; may be "" */
} collfs_error;

/* Called on every rank on which a call fails with a code, before the call returns, in its thread.
   The error belongs to collfs and ends with the handler. The handler must not call collfs. */
typedef void (*collfs_error_handler)(const collfs_error* error, void* data);

/* Local. The last error with a code of this thread, valid until its next; its code is COLLFS_OK if
   there was none. Successful calls do not clear it. */
COLLFS_API const collfs_error* collfs_last_error(void);

/* Local. Forgets it: the code is COLLFS_OK until the next error of this thread. So who has called
   libc's functions by way of collfs can tell root's errno from a failure of collfs. */
COLLFS_API void collfs_clear_error(void);

/* ---- life ------------------------------------------------------------------------------------ */

/* Local. Before the first push; needs no MPI yet. Calling it again replaces level and handler.
   debug_level: 0 silent, 1 failures, 2 each collective call; to standard error.
   handler may be NULL. Returns 0. */
COLLFS_API int collfs_init(int debug_level, collfs_error_handler handler, void* data);

/* Collective over whatever is still pushed: pops it all. Open descriptors stay valid. Before
   MPI_Finalize. Returns 0, or -1 as collfs_comm_pop does. */
COLLFS_API int collfs_finalize(void);

/* Local. */
COLLFS_API void collfs_set_error_handler(collfs_error_handler handler, void* data);
COLLFS_API void collfs_set_debug_level(int debug_level);

/* ---- the stack of communicators ---------------------------------------------------------------
 */

#ifndef COLLFS_NO_MPI
/* Collective over comm, which is duplicated and stays the caller's. root: the rank in comm that
   asks the file system; the same on all ranks. Agrees on its outcome: either all ranks have pushed
   or none. ERR_COLLFS_STATE (not initialized, root out of range or not the same, MPI_COMM_NULL or
   an intercommunicator), ERR_COLLFS_MPI, ERR_COLLFS_TIMEOUT, ERR_COLLFS_LOCAL. Pop before
   MPI_Finalize: collective calls after it are refused, ERR_COLLFS_MPI. */
COLLFS_API int collfs_comm_push(MPI_Comm comm, int root);
#endif

/* Collective over MPI_COMM_WORLD. As collfs_comm_push(MPI_COMM_WORLD, root), but calls
   MPI_Init_thread if nobody has, and then ends MPI with the process: MPI_Finalize when it exits
   with status 0, else MPI_Abort. */
COLLFS_API int collfs_world_push(int root);

/* Collective on the communicator it removes from the stack. ERR_COLLFS_STATE if there is none.
   In checked mode ranks that make other calls are found, and then the communicator stays. */
COLLFS_API int collfs_comm_pop(void);

/* Collective. Another root for the communicator on top of the stack; the same on all ranks.
   ERR_COLLFS_STATE (empty stack, no such rank), ERR_COLLFS_DIVERGED (not the same): then the old
   root stays. */
COLLFS_API int collfs_set_root(int root);

/* Local. Depth of the stack; 0 in a child made by fork. */
COLLFS_API int collfs_depth(void);
/* Local. Of the communicator on top; 0, 1 and 0 with an empty stack. */
COLLFS_API int collfs_rank(void);
COLLFS_API int collfs_size(void);
COLLFS_API int collfs_root(void);

/* Local, and safe in a signal handler. 1 if a collective call made here and now would be
   collective: there is a communicator, this thread may use it, this is the process that pushed it,
   and no call of collfs is under way in this thread. Who interposes libc's functions asks this
   first. */
COLLFS_API int collfs_is_collective(void);

/* ---- settings ----------------------------------------------------------------------------------
 */

/* Local; the same on all ranks, before the calls it is meant for. Checked mode: every collective
   call compares operation, path and flags of all ranks. On at first. Off, calls that need nothing
   from the other ranks (stat and its like) go out without waiting for them, and different calls of
   these are not found. */
COLLFS_API void collfs_set_checked(int on);

/* Local; the same on all ranks. How long a collective call waits for the other ranks to make it
   too. 0 (at first): for ever. Root's own answer, and root itself, is waited for three times as
   long and 2 s more; contents on their way are waited for without a limit. Applies where calls are
   checked, and to opens. */
COLLFS_API void collfs_set_timeout(double seconds);

/* Local; all ranks at the same point of the program. On: what stat, lstat, statx, access,
   readlink, realpath and opendir found, and which names do not exist (open asks that too), is
   remembered on every rank for the communicator on top of the stack, and answered without
   communication. Popping forgets it. Off at first for each communicator, and turning it off forgets
   too. Returns 0, or -1: ERR_COLLFS_STATE. */
COLLFS_API int collfs_set_cache(int on);

/* Local; all ranks at the same point of the program. Forgets what is remembered: a new epoch. */
COLLFS_API int collfs_cache_drop(void);

/* ---- files
 * --------------------------------------------------------------------------------------- */

/* Collective when flags ask for reading only (O_RDONLY, with any of O_CLOEXEC, O_NOFOLLOW,
   O_DIRECTORY, O_NOCTTY, O_NONBLOCK, O_NOATIME, O_LARGEFILE); else libc's open. Returns a
   descriptor of the kernel on every rank (numbers may differ): a private, sealed, read-only copy in
   memory of what root read, one on each node, with a position of its own. read, mmap of every kind
   but writable shared, sendfile, dlopen of /proc/self/fd/N, dup and passing it on work unaided.
   fstat of libc tells of the copy (its size is right); collfs_fstat tells of the file.
   A relative path starts from root's working directory. Files that say they are empty (/proc) are
   read to their end. Holes are not sent and take no memory. A directory gives a descriptor for
   collfs_openat, collfs_fstat, collfs_fdopendir and collfs_close only.
   FIFOs, sockets and devices are refused at once: ENXIO and ERR_COLLFS_TYPE.
   root's errno; ERR_COLLFS_LOCAL (ENOMEM, ENOSPC, EMFILE, ...), ERR_COLLFS_CHANGED, _DIVERGED,
   _TIMEOUT, _THREAD, _MPI. After a failure no rank has a descriptor. */
COLLFS_API int collfs_open(const char* path, int flags, ... /* mode_t mode */);

/* As collfs_open. dirfd: AT_FDCWD, a directory of collfs_open, or else root's own descriptor, with
   the number that root passes. */
COLLFS_API int collfs_openat(int dirfd, const char* path, int flags, ... /* mode_t mode */);

/* Collective. Opens many files in one round, 1,024 at a time. flags as for a collective open.
   fds[i] is a descriptor, or -1 with errors[i] root's errno; errors[i] is 0 for a descriptor.
   Returns the number of descriptors. -1: nothing was opened, for a reason with a code as above, or
   EFAULT where all ranks pass NULL for a name.
   With an empty stack: open in a loop. */
COLLFS_API ssize_t collfs_open_many(size_t count, const char* const* paths, int flags, int* fds,
                                    int* errors);

/* Local, all of them: the descriptor is the kernel's. Besides libc's functions these count calls
   and bytes. A descriptor of collfs may as well be closed with libc's close. */
COLLFS_API int collfs_close(int fd);
COLLFS_API ssize_t collfs_read(int fd, void* buffer, size_t bytes);
COLLFS_API ssize_t collfs_pread(int fd, void* buffer, size_t bytes, off_t offset);
COLLFS_API ssize_t collfs_readv(int fd, const struct iovec* parts, int count);
COLLFS_API off_t collfs_lseek(int fd, off_t offset, int whence);
COLLFS_API void* collfs_mmap(void* address, size_t bytes, int protection, int flags, int fd,
                             off_t offset);
COLLFS_API int collfs_munmap(void* address, size_t bytes);

/* Local. What root's fstat said when it opened the file (st_size: what it has read). Of another
   descriptor: libc's fstat. */
COLLFS_API int collfs_fstat(int fd, struct stat* status);

/* Local. 1 if the descriptor comes from a collective open, else 0. */
COLLFS_API int collfs_is_shared(int fd);

/* Collective for modes that only read ("r", with b, e or m), else libc's fopen. fclose closes it.
 */
COLLFS_API FILE* collfs_fopen(const char* path, const char* mode);

/* ---- names
 * ---------------------------------------------------------------------------------------- */

/* Collective, each: root's answer or root's errno on all ranks. dirfd as for collfs_openat.
   collfs_statx takes what statx takes; AT_EMPTY_PATH with a descriptor of collfs_open answers what
   root knew when it opened it. collfs_fstatat: AT_SYMLINK_NOFOLLOW. collfs_faccessat: AT_EACCESS.
 */
COLLFS_API int collfs_stat(const char* path, struct stat* status);
COLLFS_API int collfs_lstat(const char* path, struct stat* status);
COLLFS_API int collfs_fstatat(int dirfd, const char* path, struct stat* status, int flags);
COLLFS_API int collfs_statx(int dirfd, const char* path, int flags, unsigned mask,
                            struct statx* status);
COLLFS_API int collfs_access(const char* path, int mode);
COLLFS_API int collfs_faccessat(int dirfd, const char* path, int mode, int flags);
COLLFS_API ssize_t collfs_readlink(const char* path, char* buffer, size_t bytes);
COLLFS_API ssize_t collfs_readlinkat(int dirfd, const char* path, char* buffer, size_t bytes);
/* As realpath: resolved has PATH_MAX bytes, or is NULL, and then free() frees the result. */
COLLFS_API char* collfs_realpath(const char* path, char* resolved);

/* Collective. Asks for many names in one round, 1,024 at a time. flags: 0 or AT_SYMLINK_NOFOLLOW.
   statuses[i] is set where errors[i] is 0; else errors[i] is root's errno. Returns the number that
   exist, or -1 as above. */
COLLFS_API ssize_t collfs_stat_many(size_t count, const char* const* paths, int flags,
                                    struct stat* statuses, int* errors);

/* Collective, as collfs_stat_many, with all that statx tells. */
COLLFS_API ssize_t collfs_statx_many(size_t count, const char* const* paths, int flags,
                                     struct statx* statuses, int* errors);

/* An open directory: all its entries, . and .. included, in root's order. */
typedef struct collfs_dir collfs_dir;

/* Collective. NULL and errno as for the others. collfs_fdopendir takes a directory of collfs_open,
   which it closes when it succeeds; of another descriptor it reads what root's number says. */
COLLFS_API collfs_dir* collfs_opendir(const char* path);
COLLFS_API collfs_dir* collfs_fdopendir(int fd);
/* Local. The next entry, owned by the directory and valid until the next call on it; NULL at the
   end, errno untouched. d_ino, d_type and d_name are root's. */
COLLFS_API struct dirent* collfs_readdir(collfs_dir* directory);
/* Local. */
COLLFS_API void collfs_rewinddir(collfs_dir* directory);
/* Local. Frees it. */
COLLFS_API int collfs_closedir(collfs_dir* directory);

/* ---- other answers
 * --------------------------------------------------------------------------------------- */

/* Collective. Brings an answer that root alone has found, by whatever means, to all ranks. what:
   the question, compared in checked mode as a path is. data, bytes: the answer; used on root only.
   *answer is set to memory for the caller to free with free(), *answer_bytes to its length. Returns
   0, or -1 as above: then *answer is NULL. With an empty stack: each rank gets its own data. */
COLLFS_API int collfs_share(const char* what, const void* data, size_t bytes, void** answer,
                            size_t* answer_bytes);

/* ---- counters
 * -------------------------------------------------------------------------------------- */

typedef struct collfs_counter {
  const char* operation; /* "open" */
  uint64_t calls;        /* all of them, failed ones included */
  uint64_t collective;   /* of these: with communication */
  uint64_t cached;       /* of these: answered from what is remembered */
  uint64_t failed;
  uint64_t bytes;       /* contents given to this rank (open), or read */
  double total_seconds; /* mean = total / calls */
  double max_seconds;
} collfs_counter;

/* Local. Fills up to `count` counters, those of operations that were called; returns how many there
 * are. */
COLLFS_API size_t collfs_counters(collfs_counter* counters, size_t count);
/* Local. As JSON:
   [{"operation":"open","calls":..,"collective":..,"cached":..,"failed":..,"bytes":..,
   "totalSeconds":..,"meanSeconds":..,"maxSeconds":..}, ...]. Writes as snprintf does; returns the
   length it needs without the final NUL. */
COLLFS_API size_t collfs_counters_json(char* buffer, size_t bytes);
/* Local. As a table for people. */
COLLFS_API void collfs_counters_print(FILE* stream);
/* Local. */
COLLFS_API void collfs_counters_reset(void);

#ifdef __cplusplus
}
#endif

#endif
