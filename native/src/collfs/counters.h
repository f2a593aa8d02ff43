#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "call.h"
#include "collfs.h"

namespace walla::collfs {

/// Counts one call, from construction to destruction. Any thread.
class Measure {
 public:
  explicit Measure(Operation operation)
      : operation_(operation), start_(std::chrono::steady_clock::now()) {}
  Measure(const Measure&) = delete;
  Measure& operator=(const Measure&) = delete;
  ~Measure();

  void communicated() { collective_ = true; }
  void remembered() { cached_ = true; }
  void failed() { failed_ = true; }
  void addBytes(std::uint64_t bytes) { bytes_ += bytes; }

 private:
  const Operation operation_;
  const std::chrono::steady_clock::time_point start_;
  bool collective_ = false;
  bool cached_ = false;
  bool failed_ = false;
  std::uint64_t bytes_ = 0;
};

/// Of the operations that were called, in the order of Operation.
std::vector<collfs_counter> counters();
std::string countersAsJson();
std::string countersAsTable();
void resetCounters();

}  // namespace walla::collfs
