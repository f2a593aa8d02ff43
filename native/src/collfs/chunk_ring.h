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

  /// For the one that fills: waits until the buffer of chunk `number` is free. Null once the other
  /// side has stopped.
  Chunk* toFill(std::size_t number) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || number < emptied_ + chunks_.size(); });
    return stopped_ ? nullptr : &chunks_[number % chunks_.size()];
  }
  void filled() { advance(filled_); }

  /// For the one that empties: waits until chunk `number` is there. Null once the other side has
  /// stopped before it.
  Chunk* toEmpty(std::size_t number) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || filled_ > number; });
    return filled_ > number ? &chunks_[number % chunks_.size()] : nullptr;
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
