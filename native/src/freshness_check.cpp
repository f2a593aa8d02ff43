#include "freshness_check.h"

#include <fcntl.h>

#include <atomic>
#include <chrono>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

#include "posix_error.h"
#include "stored_index.h"
#include "unique_fd.h"

namespace walla {

// Shared with the thread, which may outlive the object.
struct FreshnessCheck::State {
  UniqueFd archive;
  std::string root;
  FreshnessOptions options;
  std::atomic<bool> abandoned{false};
  std::promise<Result> promise;
  std::future<Result> result;

  void run() noexcept {
    try {
      const auto begin = std::chrono::steady_clock::now();
      const StoredIndex stored = StoredIndex::read(archive.get());
      Result done;
      done.found = checkFresh(stored.index(), root, options, &abandoned);
      const auto end = std::chrono::steady_clock::now();
      done.milliseconds = std::chrono::duration<double, std::milli>(end - begin).count();
      promise.set_value(std::move(done));
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
  }
};

FreshnessCheck::FreshnessCheck(int fd, std::string root, const FreshnessOptions& options)
    : state_(std::make_shared<State>()) {
  state_->archive = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!state_->archive.valid()) throwErrno("dup", describeFd(fd));
  state_->root = std::move(root);
  state_->options = options;
  state_->options.archiveFd = state_->archive.get();
  state_->result = state_->promise.get_future();
  try {
    std::thread([state = state_] { state->run(); }).detach();
  } catch (const std::system_error&) {
    // A process limit: then the caller's thread does the work, now.
    state_->run();
  }
}

FreshnessCheck::~FreshnessCheck() { state_->abandoned = true; }

FreshnessCheck::Result FreshnessCheck::finish() { return state_->result.get(); }

}  // namespace walla
