#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "piece_digest.h"

namespace walla {

/// The digest of pieces (piece_digest.h) of bytes [from, to) of a memory region, taken on other
/// threads that follow the bytes as they arrive: as many as half of the processors that this
/// process may use, but not more than four. Owns the threads; the region must outlive this object.
class TrailingHash {
 public:
  TrailingHash(const uint8_t* region, uint64_t from, uint64_t to);
  TrailingHash(const TrailingHash&) = delete;
  TrailingHash& operator=(const TrailingHash&) = delete;
  /// Stops early when finish() was not called.
  ~TrailingHash();

  /// Says that all bytes below `arrived` are in place. Never decreasing.
  void advance(uint64_t arrived);
  /// Waits for the threads. All bytes below `to` must have arrived.
  /// @returns lower-case hex
  std::string finish();

 private:
  /// Pieces [first, last), which have arrived; none when there is nothing left to do.
  struct Share {
    size_t first;
    size_t last;
  };

  void run();
  Share take();
  bool hasArrived(size_t pieces) const;
  void stop();

  const uint64_t from_;
  const uint64_t to_;
  PieceDigest digest_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t arrived_ = 0;
  /// The first piece that nobody has taken.
  size_t next_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace walla
