#include "session.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "../mpi/environment.h"

namespace walla::collfs {
namespace {

struct Session {
  std::mutex mutex;
  std::vector<std::unique_ptr<Level>> stack;
  Settings settings;
  collfs_error_handler handler = nullptr;
  void* handlerData = nullptr;
  std::atomic<bool> initialized{false};
  std::atomic<int> debugLevel{0};
  // For collfs_is_collective, which may not take locks.
  std::atomic<std::size_t> depth{0};
  std::atomic<pid_t> process{0};
  std::atomic<pthread_t> thread{};
};

Session& session() {
  // Never destroyed: calls may come from other libraries' destructors, and levels must not be freed
  // after MPI_Finalize.
  static auto* const instance = new Session;
  return *instance;
}

// initial-exec: a signal handler reads it, and other kinds may allocate on their first use.
__attribute__((tls_model("initial-exec"))) thread_local int insideDepth = 0;

/// Keeps the texts that a collfs_error points to.
struct KeptError {
  std::string operation;
  std::string path;
  std::string message;
  std::string hint;
  collfs_error error{};
};

KeptError& keptError() {
  thread_local KeptError kept;
  return kept;
}

/// After a change of the stack, with the lock held.
void publish(Session& s) {
  if (!s.stack.empty()) {
    s.process = getpid();
    s.thread = s.stack.back()->thread();
  }
  s.depth = s.stack.size();
}

bool ownProcess(const Session& s) { return s.depth.load() > 0 && s.process.load() == getpid(); }

int threadLevel() {
  int level = MPI_THREAD_SINGLE;
  mpi::check(MPI_Query_thread(&level), "MPI_Query_thread");
  return level;
}

void requireMpi() {
  if (!mpi::isInitialized() || mpi::isFinalized()) {
    throw Failure(ERR_COLLFS_MPI, EIO, -1,
                  mpi::isFinalized() ? "push: MPI is finalized" : "push: MPI is not initialized",
                  "push between MPI_Init and MPI_Finalize, or use collfs_world_push");
  }
  int main = 0;
  mpi::check(MPI_Is_thread_main(&main), "MPI_Is_thread_main");
  if (main == 0 && threadLevel() < MPI_THREAD_SERIALIZED) {
    throw Failure(ERR_COLLFS_THREAD, EPERM, -1,
                  "push: MPI allows calls from the thread that initialized it only",
                  "push there, or ask MPI_Init_thread for MPI_THREAD_SERIALIZED");
  }
}

/// MPI would end the job for what it is asked to do with others.
void requireIntracommunicator(MPI_Comm comm) {
  if (comm == MPI_COMM_NULL) {
    throw Failure(ERR_COLLFS_STATE, EINVAL, -1, "push: MPI_COMM_NULL has no ranks",
                  "push a communicator on those ranks that are in it");
  }
  int inter = 0;
  mpi::check(MPI_Comm_test_inter(comm, &inter), "MPI_Comm_test_inter");
  if (inter != 0) {
    throw Failure(ERR_COLLFS_STATE, EINVAL, -1,
                  "push: an intercommunicator has two groups of ranks",
                  "make one of them by MPI_Intercomm_merge");
  }
}

}  // namespace

Inside::Inside() { ++insideDepth; }
Inside::~Inside() { --insideDepth; }

void initialize(int debugLevel, collfs_error_handler handler, void* data) {
  setHandler(handler, data);
  setDebugLevel(debugLevel);
  session().initialized = true;
}

void setHandler(collfs_error_handler handler, void* data) {
  Session& s = session();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.handler = handler;
  s.handlerData = data;
}

void setDebugLevel(int level) { session().debugLevel = level; }

void setChecked(bool on) { session().settings.checked = on; }

void setTimeout(double seconds) {
  // Three times as long can still be told in nanoseconds.
  constexpr double kLongest = 1e9;
  session().settings.timeoutSeconds = seconds > 0 ? std::min(seconds, kLongest) : 0;
}

void pushLevel(MPI_Comm comm, int root) {
  requireMpi();
  requireIntracommunicator(comm);
  Session& s = session();
  auto level = std::make_unique<Level>(comm, root, s.initialized.load(), s.settings);
  const std::lock_guard<std::mutex> lock(s.mutex);
  // A child made by fork has its parent's stack, which means nothing to it.
  if (s.depth.load() > 0 && !ownProcess(s)) {
    for (auto& each : s.stack) each.release();
    s.stack.clear();
  }
  s.stack.push_back(std::move(level));
  publish(s);
}

void popLevel() {
  Session& s = session();
  Level& top = requireLevel(Operation::pop);
  top.pop();
  std::unique_ptr<Level> level;
  {
    const std::lock_guard<std::mutex> lock(s.mutex);
    level = std::move(s.stack.back());
    s.stack.pop_back();
    publish(s);
  }
  // MPI may still write into the buffers of one that was given up.
  if (level->broken()) level.release();
}

std::size_t depth() {
  const Session& s = session();
  return ownProcess(s) ? s.depth.load() : 0;
}

Level* collectiveLevel() {
  Session& s = session();
  if (insideDepth > 1 || !ownProcess(s)) return nullptr;
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (s.stack.empty()) return nullptr;
  Level& top = *s.stack.back();
  if (pthread_equal(top.thread(), pthread_self()) == 0) {
    throw Failure(ERR_COLLFS_THREAD, EPERM, top.rank(),
                  "a collective call from a thread that has not pushed the communicator",
                  "make collective calls on the thread of collfs_comm_push; in other threads use "
                  "libc's functions");
  }
  if (mpi::isFinalized()) {
    throw Failure(ERR_COLLFS_MPI, EIO, top.rank(), "a collective call after MPI_Finalize",
                  "pop all communicators, or call collfs_finalize, before MPI_Finalize");
  }
  return &top;
}

Level& requireLevel(Operation operation) {
  Level* const level = collectiveLevel();
  if (level == nullptr) {
    throw Failure(ERR_COLLFS_STATE, EINVAL, -1,
                  std::string(nameOf(operation)) + ": no communicator is pushed",
                  "call collfs_comm_push first");
  }
  return *level;
}

void refuseName(Level* level, Operation operation, bool compared, int errorNumber) {
  if (level != nullptr) {
    Call call{operation, ""};
    call.names = 0;
    trace(*level, call);
    level->refuse(call, compared, errorNumber);
  }
  throw PosixError(errorNumber, nameOf(operation), "");
}

int topOr(int otherwise, int (*ask)(const Level&)) {
  Session& s = session();
  if (!ownProcess(s)) return otherwise;
  const std::lock_guard<std::mutex> lock(s.mutex);
  return s.stack.empty() ? otherwise : ask(*s.stack.back());
}

bool isCollective() {
  const Session& s = session();
  return insideDepth == 0 && ownProcess(s) && pthread_equal(s.thread.load(), pthread_self()) != 0;
}

void report(const Failure& failure, Operation operation, const char* path) {
  Session& s = session();
  KeptError& kept = keptError();
  kept.operation = nameOf(operation);
  kept.path = path == nullptr ? "" : path;
  kept.message = failure.what();
  kept.hint = failure.hint();
  kept.error = {failure.code(),       nameOf(failure.code()), failure.errorNumber(),
                failure.rank(),       kept.operation.c_str(), kept.path.c_str(),
                kept.message.c_str(), kept.hint.c_str()};
  collfs_error_handler handler = nullptr;
  void* data = nullptr;
  {
    const std::lock_guard<std::mutex> lock(s.mutex);
    handler = s.handler;
    data = s.handlerData;
  }
  if (s.debugLevel.load() >= 1) {
    std::string text =
        "collfs: [" + hostName() + "] " + kept.error.name + ": " + kept.message + "\n";
    if (!kept.hint.empty()) text += "hint: " + kept.hint + "\n";
    std::fputs(text.c_str(), stderr);
  }
  if (handler != nullptr) handler(&kept.error, data);
  errno = failure.errorNumber();
}

void trace(const Level& level, const Call& call) {
  if (session().debugLevel.load() < 2) return;
  std::fprintf(stderr, "collfs: [rank %d@%s] %s\n", level.rank(), hostName().c_str(),
               call.text().c_str());
}

void clearError() { keptError().error = {}; }

const collfs_error* lastError() {
  collfs_error& error = keptError().error;
  if (error.name == nullptr) {
    error.name = nameOf(COLLFS_OK);
    error.operation = error.path = error.message = error.hint = "";
    error.rank = -1;
  }
  return &error;
}

}  // namespace walla::collfs
