#include "environment.h"

#include <mpi.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "check.h"
#include "wait.h"

namespace walla::mpi {
namespace {

struct State {
  bool ready = false;
  bool quietFailure = false;
  pid_t process = 0;
  std::thread::id thread;
  EnvironmentInfo info{};
};

// Never destroyed: the exit handler reads it, and handlers and destructors share one order.
State& state() {
  static State* const instance = new State;
  return *instance;
}

std::string threadLevelName(int level) {
  switch (level) {
    case MPI_THREAD_FUNNELED:
      return "funneled";
    case MPI_THREAD_SERIALIZED:
      return "serialized";
    case MPI_THREAD_MULTIPLE:
      return "multiple";
    default:
      return "single";
  }
}

std::string libraryVersion() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  check(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  std::string version(text, static_cast<std::size_t>(length));
  // MPICH answers with a page of configure options; the first line says enough.
  version.resize(std::min(version.find_first_of(std::string("\n\0", 2)), version.size()));
  for (char& c : version) {
    if (c == '\t') c = ' ';
  }
  return version;
}

/// MPI_Finalize waits for all other ranks, and spins while it does: wait asleep first. A program
/// that has called its collectives on MPI_COMM_WORLD on all ranks, as it must, has this one match
/// on all too.
int finalizePatiently() {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(MPI_COMM_WORLD, &request) == MPI_SUCCESS) wait(request, true);
  return MPI_Finalize();
}

/// Runs inside exit(). on_exit (glibc) rather than atexit, because only it is told the status.
void endWithProcess(int status, void* /*unused*/) {
  State& s = state();
  // A forked child that exits without exec must not end its parent's MPI.
  if (getpid() != s.process) return;
  if (!isInitialized() || isFinalized()) return;
  if (status != 0 && !s.quietFailure) {
    MPI_Abort(MPI_COMM_WORLD, status);
    return;
  }
  // MPI_Finalize belongs to the thread of MPI_Init. Another thread that called exit() must not try:
  // the launcher then reports that the rank left without finalizing, which is what happened.
  if (std::this_thread::get_id() != s.thread) return;
  try {
    finalizePatiently();
  } catch (const MpiError&) {
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}

}  // namespace

const EnvironmentInfo& initialize() {
  State& s = state();
  if (s.ready) {
    requireUsable();
    return s.info;
  }
  if (isFinalized()) {
    throw EnvironmentError("MPI was finalized and cannot be initialized again in this process");
  }

  int level = MPI_THREAD_SINGLE;
  const bool here = !isInitialized();
  if (here) {
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
    s.process = getpid();
    s.thread = std::this_thread::get_id();
    // After MPI_Init_thread, so that it runs before whatever MPI itself registered for exit.
    if (on_exit(endWithProcess, nullptr) != 0) {
      MPI_Finalize();
      throw EnvironmentError("no room for an exit handler");
    }
    // Only ours to set: a library that initialized MPI may count on errors being fatal.
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  } else {
    check(MPI_Query_thread(&level), "MPI_Query_thread");
    s.process = getpid();
    s.thread = std::this_thread::get_id();
  }
  if (level < MPI_THREAD_FUNNELED) {
    throw EnvironmentError(
        "MPI provides only MPI_THREAD_SINGLE, but a Node.js process has several threads");
  }
  s.info = {here, threadLevelName(level), libraryVersion()};
  s.ready = true;
  return s.info;
}

bool isInitialized() {
  int flag = 0;
  check(MPI_Initialized(&flag), "MPI_Initialized");
  return flag != 0;
}

bool isFinalized() {
  int flag = 0;
  check(MPI_Finalized(&flag), "MPI_Finalized");
  return flag != 0;
}

void requireUsable() {
  const State& s = state();
  if (isFinalized()) throw EnvironmentError("MPI has been finalized in this process");
  if (!s.ready) throw EnvironmentError("MPI has not been initialized");
  if (std::this_thread::get_id() != s.thread) {
    throw EnvironmentError("MPI may only be used on the thread that initialized it");
  }
  if (getpid() != s.process) throw EnvironmentError("MPI belongs to the parent of this process");
}

void release() {
  const State& s = state();
  if (!s.ready || isFinalized()) return;
  requireUsable();
  if (s.info.initializedHere) check(finalizePatiently(), "MPI_Finalize");
}

void failQuietly() { state().quietFailure = true; }

}  // namespace walla::mpi
