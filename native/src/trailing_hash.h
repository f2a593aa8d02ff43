#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace walla {

/// SHA-256 of bytes [from, to) of a memory region, taken on a second thread that follows the
/// bytes as they arrive. Owns the thread; the region must outlive this object.
class TrailingHash {
 public:
  TrailingHash(const uint8_t* region, uint64_t from, uint64_t to);
  TrailingHash(const TrailingHash&) = delete;
  TrailingHash& operator=(const TrailingHash&) = delete;
  /// Stops early when finish() was not called.
  ~TrailingHash();

  /// Says that all bytes below `arrived` are in place. Never decreasing.
  void advance(uint64_t arrived);
  /// Waits for the thread. All bytes below `to` must have arrived.
  /// @returns lower-case hex
  std::string finish();

 private:
  void run();
  void stop();

  const uint8_t* region_;
  uint64_t from_;
  uint64_t to_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t arrived_ = 0;
  bool stopped_ = false;
  std::string digest_;
  std::thread thread_;
};

}  // namespace walla
