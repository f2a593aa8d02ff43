#include "trailing_hash.h"

#include <algorithm>
#include <system_error>

#include "sha256.h"

namespace walla {

TrailingHash::TrailingHash(const uint8_t* region, uint64_t from, uint64_t to)
    : region_(region), from_(from), to_(std::max(from, to)) {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    // A process limit: finish() hashes on the caller's thread instead.
  }
}

TrailingHash::~TrailingHash() { stop(); }

void TrailingHash::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void TrailingHash::advance(uint64_t arrived) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    arrived_ = arrived;
  }
  changed_.notify_one();
}

std::string TrailingHash::finish() {
  advance(to_);
  if (thread_.joinable()) {
    thread_.join();
  } else {
    run();
  }
  return digest_;
}

void TrailingHash::run() {
  Sha256 hash;
  uint64_t done = from_;
  while (done < to_) {
    uint64_t limit;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stopped_ || arrived_ > done; });
      if (stopped_) return;
      limit = std::min(arrived_, to_);
    }
    // In steps, so that a stop does not wait for gigabytes.
    limit = std::min(limit, done + (uint64_t{8} << 20));
    hash.update(region_ + done, limit - done);
    done = limit;
  }
  digest_ = hash.finishHex();
}

}  // namespace walla
