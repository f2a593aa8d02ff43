#include "written_paths.h"

#include <atomic>
#include <mutex>
#include <utility>

namespace walla {

namespace {

std::mutex mutex;
// How many there are, to be read without the lock: mostly nobody has written anything new.
std::atomic<size_t> count{0};

std::vector<std::string>& paths() {
  // Never destroyed: other threads may still ask while the process ends.
  static auto* const all = new std::vector<std::string>;
  return *all;
}

}  // namespace

void noteWritten(std::string path) {
  const std::lock_guard<std::mutex> hold(mutex);
  paths().push_back(std::move(path));
  count.store(paths().size(), std::memory_order_release);
}

std::vector<std::string> writtenAfter(size_t known) {
  if (count.load(std::memory_order_acquire) <= known) return {};
  const std::lock_guard<std::mutex> hold(mutex);
  return {paths().begin() + static_cast<std::ptrdiff_t>(known), paths().end()};
}

}  // namespace walla
