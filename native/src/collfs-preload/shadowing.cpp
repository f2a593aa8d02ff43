#include "shadowing.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "libc_functions.h"
#include "report.h"
#include "settings.h"

namespace walla::preload {
namespace {

Settings settings;
std::atomic<bool> active{false};
/// Only this process shadows; its children go on without.
std::atomic<pid_t> process{0};
unsigned failures = 0;
/// More are counted only.
constexpr unsigned kPrinted = 10;

// initial-exec: a signal handler reads it, and other kinds may allocate on their first use.
__attribute__((tls_model("initial-exec"))) thread_local bool inside = false;

constexpr std::size_t kBits = 64;
constexpr std::size_t kMostDescriptors = 65536;
std::atomic<std::uint64_t> sharedFds[kMostDescriptors / kBits];

bool isNotedShared(int fd) {
  const auto at = static_cast<std::size_t>(fd);
  if (fd < 0 || at >= kMostDescriptors) return false;
  return (sharedFds[at / kBits].load() >> (at % kBits) & 1) != 0;
}

/// Its letters are those of where it lies: an absolute name without anything to take away.
bool isPlain(const char* path) {
  return path[0] == '/' && strstr(path, "//") == nullptr && strstr(path, "/.") == nullptr;
}

bool onSignalStack() {
  stack_t stack;
  return sigaltstack(nullptr, &stack) == 0 && (stack.ss_flags & SS_ONSTACK) != 0;
}

/// The directory that names relative to it start from.
bool startOf(int directoryFd, shadow::Name& name) {
  if (directoryFd == AT_FDCWD) {
    if (getcwd(name.text, sizeof name.text) == nullptr) return false;
    name.length = strlen(name.text);
  } else {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", directoryFd);
    const ssize_t bytes = libc().readlink(link, name.text, sizeof name.text - 1);
    if (bytes <= 0) return false;
    name.cut(static_cast<std::size_t>(bytes));
  }
  // "(unreachable)/...", "socket:[...]"
  return name.text[0] == '/';
}

/// All ranks get the same failure, so one speaks: root, or, when root itself is missing, the first
/// of the others.
bool isSpeaker(const collfs_error& error) {
  const int rank = collfs.collfs_rank();
  const int root = collfs.collfs_root();
  if (error.code == ERR_COLLFS_MPI || error.code == ERR_COLLFS_THREAD) return true;
  if (error.rank == root && error.code == ERR_COLLFS_TIMEOUT) return rank == (root == 0 ? 1 : 0);
  return rank == root;
}

const char* hintFor(const collfs_error& error) {
  switch (error.code) {
    case ERR_COLLFS_DIVERGED:
      return "narrow COLLFS_PATHS or COLLFS_CALLERS to what all ranks read in the same order";
    case ERR_COLLFS_TIMEOUT:
      return "look what that rank does instead, or allow more seconds by COLLFS_TIMEOUT";
    case ERR_COLLFS_TYPE:
      return "narrow COLLFS_PATHS to directories without such files";
    default:
      return error.hint;
  }
}

void reportFailure(const collfs_error& error) {
  ++failures;
  if (!isSpeaker(error) || failures > kPrinted) return;
  char message[2048];
  snprintf(message, sizeof message, "%s; each rank asks the file system itself%s", error.message,
           active.load() ? "" : " from now on");
  report(collfs.collfs_rank(), error.name, message, hintFor(error));
}

/// Collective.
bool pushWorld() {
  if (!settings.pushesWorld) return true;
  if (collfs.collfs_world_push(settings.root) != 0) {
    const collfs_error& error = *collfs.collfs_last_error();
    const bool missing = error.code == ERR_COLLFS_TIMEOUT;
    if (speaksForAll()) {
      report(-1, error.name, error.message,
             missing ? "give LD_PRELOAD and COLLFS_PATHS to all ranks; Open MPI's launcher passes "
                       "them on with -x LD_PRELOAD -x COLLFS_PATHS"
                     : error.hint);
    }
    return false;
  }
  if (settings.cache) collfs.collfs_set_cache(1);
  return true;
}

}  // namespace

void startShadowing(const char* mpiVersion, const void* ofMpi, int threadLevel) {
  const char* const wrong = readSettings(settings);
  if (settings.paths == nullptr || active.load()) return;
  const char* code = "ERR_COLLFS_OPTION";
  char message[512];
  const char* problem = message;
  const char* hint = "man collfs-preload, or docs/environment.md, says what it may be";
  constexpr int kSerialized = 2;  // MPI_THREAD_SERIALIZED, of both MPIs
  if (wrong != nullptr) {
    snprintf(message, sizeof message, "%s cannot be understood; files are not shadowed", wrong);
  } else if (threadLevel == kSerialized) {
    code = "ERR_COLLFS_THREAD";
    problem =
        "MPI_THREAD_SERIALIZED: another thread may be in MPI when this one opens a file; "
        "files are not shadowed";
    hint = "let the program ask for MPI_THREAD_FUNNELED or MPI_THREAD_MULTIPLE";
  } else if (!loadCollfs(mpiVersion, problem)) {
    code = "ERR_COLLFS_MPI";
    hint = "libcollfs-openmpi.so or libcollfs-mpich.so has to lie beside libcollfs-preload.so";
  } else {
    setCallers(settings.callers, ofMpi);
    collfs.collfs_init(settings.debugLevel > 1 ? settings.debugLevel : 0, nullptr, nullptr);
    collfs.collfs_set_checked(settings.checked ? 1 : 0);
    collfs.collfs_set_timeout(settings.timeoutSeconds);
    inside = true;
    const bool pushed = pushWorld();
    inside = false;
    process = getpid();
    active = pushed;
    return;
  }
  if (speaksForAll()) report(-1, code, problem, hint);
}

void stopShadowing() {
  if (process.load() != getpid()) return;
  active = false;
  process = 0;
  inside = true;
  const bool first = settings.pushesWorld && collfs.collfs_rank() == collfs.collfs_root();
  if (first && failures > kPrinted) {
    char message[64];
    snprintf(message, sizeof message, "collfs: %u more failures like these\n", failures - kPrinted);
    if (write(STDERR_FILENO, message, strlen(message)) < 0) failures = 0;
  }
  if (first && settings.counters) collfs.collfs_counters_print(stderr);
  // Others may be late, and still wait in calls that this rank does not make. MPI_Finalize would
  // wait for them as well.
  constexpr double kVeryLong = 1e9;
  if (settings.timeoutSeconds > 0) collfs.collfs_set_timeout(kVeryLong);
  while (settings.pushesWorld && collfs.collfs_depth() > 0) {
    collfs.collfs_clear_error();
    if (collfs.collfs_comm_pop() == 0) continue;
    const collfs_code code = collfs.collfs_last_error()->code;
    // Each call that this rank has not made is met by a pop. After the others the next pop is
    // local.
    const bool again =
        code == ERR_COLLFS_DIVERGED || code == ERR_COLLFS_TIMEOUT || code == ERR_COLLFS_LOCAL;
    if (!again) break;
  }
  inside = false;
}

bool mayBeShadowed(const char* path) {
  if (!active.load(std::memory_order_relaxed) || inside || path == nullptr || path[0] == '\0') {
    return false;
  }
  if (isPlain(path) && !shadow::isBelow(path, settings.paths)) return false;
  return isShadowing();
}

bool isShadowing() {
  return active.load(std::memory_order_relaxed) && !inside && collfs.collfs_is_collective() != 0 &&
         !onSignalStack();
}

bool mayBeShared(int fd) {
  return isNotedShared(fd) && !inside && process.load() == getpid() && !onSignalStack() &&
         !isInSignalHandler();
}

const char* nameToAsk(int directoryFd, const char* path, shadow::Name& name) {
  const char* asked = path;
  if (!isPlain(path)) {
    shadow::Name start;
    if (path[0] != '/' && !startOf(directoryFd, start)) return nullptr;
    if (!shadow::cleanName(path, start.text, name) || !shadow::isBelow(name.text, settings.paths)) {
      return nullptr;
    }
    if (path[0] != '/') {
      // With its links and dots: where they lead, root's file system knows.
      name.cut(0);
      if (!name.append(start.text) || !name.append("/") || !name.append(path)) return nullptr;
      asked = name.text;
    }
  }
  return isCallOfProgram() ? asked : nullptr;
}

void noteShared(int fd) {
  const auto at = static_cast<std::size_t>(fd);
  if (at < kMostDescriptors) sharedFds[at / kBits] |= std::uint64_t{1} << (at % kBits);
}

void noteUnshared(int fd) {
  const auto at = static_cast<std::size_t>(fd);
  if (at < kMostDescriptors) sharedFds[at / kBits] &= ~(std::uint64_t{1} << (at % kBits));
}

CollectiveCall::CollectiveCall() {
  inside = true;
  collfs.collfs_clear_error();
}

CollectiveCall::~CollectiveCall() { inside = false; }

bool CollectiveCall::failed() {
  const collfs_error& error = *collfs.collfs_last_error();
  if (error.code == COLLFS_OK) return false;
  const int saved = errno;
  if (error.code == ERR_COLLFS_TIMEOUT || error.code == ERR_COLLFS_MPI) active = false;
  reportFailure(error);
  errno = saved;
  return true;
}

}  // namespace walla::preload
