#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace walla {

/// Takes the bytes of a transfer that are done; empty: nobody wants to know.
using TellProgress = std::function<void(std::int64_t doneBytes)>;

/// Tells how far a transfer has come: at once, then no oftener than people can see, and at its end.
class ProgressTeller {
 public:
  ProgressTeller(const TellProgress& tell, std::int64_t bytes) : tell_(tell), bytes_(bytes) {}

  void reached(std::int64_t doneBytes) {
    if (!tell_) return;
    const auto now = std::chrono::steady_clock::now();
    if (doneBytes < bytes_ && now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    tell_(doneBytes);
  }

 private:
  const TellProgress& tell_;
  const std::int64_t bytes_;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace walla
