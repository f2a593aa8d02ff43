#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace walla::collfs {

/// Buffers that two threads pass round: one fills them in order, the other empties them in order.
/// So the file is read or written while the network is busy.
class ChunkRing {
 public:
  struct Chunk {
    std::uint8_t* data = nullptr;
    std::size_t bytes = 0;
    bool last = false;
  };

  /// @param memory of count * room bytes; the caller's
  ChunkRing(std::uint8_t* memory, std::size_t count, std::size_t room) : chunks_(count) {
    for (std::size_t i = 0; i < count; ++i) chunks_[i].data = memory + i * room;
  }

  /// For the one that fills: waits for a free buffer. Null once the other side has stopped.
  Chunk* toFill() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || filled_ - emptied_ < chunks_.size(); });
    return stopped_ ? nullptr : &chunks_[filled_ % chunks_.size()];
  }
  void filled() { advance(filled_); }

  /// For the one that empties: waits for a full buffer. Null once the other side has stopped.
  Chunk* toEmpty() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ || filled_ > emptied_; });
    return filled_ > emptied_ ? &chunks_[emptied_ % chunks_.size()] : nullptr;
  }
  void emptied() { advance(emptied_); }

  /// By either side: no more comes. What is full can still be emptied.
  void stop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  void advance(std::size_t& counter) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++counter;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Chunk> chunks_;
  std::size_t filled_ = 0;
  std::size_t emptied_ = 0;
  bool stopped_ = false;
};

}  // namespace walla::collfs
