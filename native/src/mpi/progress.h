#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace walla::mpi {

/// How far one thread has come, for another thread that follows it.
class Progress {
 public:
  void advance(std::int64_t to) {
    const std::lock_guard<std::mutex> lock(mutex_);
    reached_ = to;
    changed_.notify_all();
  }

  /// No advance comes any more; whoever waits is let go.
  void stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  /// Waits until more than `from` is reached or the other side has stopped.
  std::int64_t waitBeyond(std::int64_t from) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || reached_ > from; });
    return reached_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t reached_ = 0;
  bool stopped_ = false;
};

}  // namespace walla::mpi
