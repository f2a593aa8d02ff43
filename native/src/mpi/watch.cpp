#include "watch.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace walla::mpi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kOwnStop{2};
constexpr std::chrono::seconds kGrace{10};
/// Hydra drops what it has not read of a job that it ends: it gets so long to read the report.
constexpr std::chrono::milliseconds kReading{500};
/// PMI-1, which Hydra speaks, is lines of text.
constexpr char kAbort[] = "cmd=abort exitcode=1\n";

struct Watcher {
  std::mutex mutex;
  std::condition_variable changed;
  bool armed = false;
  bool running = false;
  Clock::time_point deadline;
  std::string report;
  int serverFd = -1;

  void run() {
    std::unique_lock<std::mutex> lock(mutex);
    while (armed) {
      if (changed.wait_until(lock, deadline) != std::cv_status::timeout) continue;
      const auto now = Clock::now();
      if (!armed || now < deadline) continue;
      if (now > deadline + kOwnStop) {
        // This process was stopped itself, and is woken to be ended by those that waited for it:
        // they have said so.
        deadline = now + kGrace;
        continue;
      }
      ssize_t written = write(STDERR_FILENO, report.data(), report.size());
      if (serverFd >= 0) {
        std::this_thread::sleep_for(kReading);
        written = write(serverFd, kAbort, sizeof kAbort - 1);
      }
      (void)written;
      // Not exit: its handlers would call MPI, which the main thread is in.
      _exit(1);
    }
    running = false;
  }
};

// Never destroyed: the thread may outlive the destructors of statics.
Watcher& watcher() {
  static auto* const instance = new Watcher;
  return *instance;
}

}  // namespace

void watch(std::chrono::milliseconds patience, std::string report, int serverFd) {
  Watcher& w = watcher();
  const std::lock_guard<std::mutex> lock(w.mutex);
  w.deadline = Clock::now() + patience;
  w.report = std::move(report);
  w.serverFd = serverFd;
  w.armed = true;
  if (!w.running) {
    std::thread([&w] { w.run(); }).detach();
    w.running = true;
  }
  w.changed.notify_all();
}

void unwatch() {
  Watcher& w = watcher();
  const std::lock_guard<std::mutex> lock(w.mutex);
  w.armed = false;
  w.changed.notify_all();
}

}  // namespace walla::mpi
