#include "trailing_hash.h"

#include <sched.h>

#include <algorithm>
#include <exception>

namespace walla {

namespace {

/// A processor hashes two pieces in the time of one.
constexpr size_t kAtOnce = 2;
constexpr size_t kMostThreads = 4;
/// Fewer are not worth another thread.
constexpr size_t kPiecesPerThread = 16;

size_t threadsFor(size_t pieces) {
  cpu_set_t processors;
  const bool known = sched_getaffinity(0, sizeof processors, &processors) == 0;
  const size_t half = known ? static_cast<size_t>(CPU_COUNT(&processors)) / 2 : 1;
  return std::clamp<size_t>(std::min(half, pieces / kPiecesPerThread), 1, kMostThreads);
}

}  // namespace

TrailingHash::TrailingHash(const uint8_t* region, uint64_t from, uint64_t to)
    : from_(from), to_(std::max(from, to)), digest_(region + from, to_ - from) {
  const size_t threads = threadsFor(digest_.pieces());
  threads_.reserve(threads);
  try {
    while (threads_.size() < threads) threads_.emplace_back([this] { run(); });
  } catch (const std::exception&) {
    // A limit on processes or memory: fewer do as well, or finish() hashes on the caller's thread.
  }
}

TrailingHash::~TrailingHash() { stop(); }

void TrailingHash::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void TrailingHash::advance(uint64_t arrived) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    arrived_ = arrived;
  }
  changed_.notify_all();
}

std::string TrailingHash::finish() {
  advance(to_);
  if (threads_.empty()) run();
  for (std::thread& thread : threads_) thread.join();
  return digest_.finishHex();
}

bool TrailingHash::hasArrived(size_t pieces) const {
  return pieces > 0 && arrived_ >= from_ + digest_.endOf(pieces - 1);
}

TrailingHash::Share TrailingHash::take() {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto last = [this] { return std::min(next_ + kAtOnce, digest_.pieces()); };
  changed_.wait(lock, [&] { return stopped_ || next_ == digest_.pieces() || hasArrived(last()); });
  const Share share{next_, stopped_ ? next_ : last()};
  next_ = share.last;
  return share;
}

void TrailingHash::run() {
  for (Share share = take(); share.first < share.last; share = take()) {
    digest_.hash(share.first, share.last);
  }
}

}  // namespace walla
