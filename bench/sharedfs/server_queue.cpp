#include "server_queue.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cerrno>
#include <new>
#include <system_error>

namespace sharedfs {

static_assert(std::atomic<std::int64_t>::is_always_lock_free,
              "a lock would not work between processes");

ServerQueue::ServerQueue(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path);
  void* memory = MAP_FAILED;
  // A new file is full of zeros: the server has been free for ever.
  if (ftruncate(fd, sizeof *free_at_ns_) == 0)
    memory = mmap(nullptr, sizeof *free_at_ns_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);
  if (memory == MAP_FAILED) throw std::system_error(error, std::generic_category(), path);
  free_at_ns_ = static_cast<std::atomic<std::int64_t>*>(memory);
}

ServerQueue::~ServerQueue() { munmap(free_at_ns_, sizeof *free_at_ns_); }

std::int64_t ServerQueue::serve(std::int64_t cost_ns) {
  if (cost_ns <= 0) return 0;
  const std::int64_t arrived = monotonic_ns();
  std::int64_t free_at = free_at_ns_->load();
  std::int64_t done_at;
  do {
    done_at = (free_at > arrived ? free_at : arrived) + cost_ns;
  } while (!free_at_ns_->compare_exchange_weak(free_at, done_at));
  const timespec until = {done_at / 1'000'000'000, done_at % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
  return done_at - arrived;
}

std::int64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace sharedfs
