#include "counters.h"

#include <array>
#include <cstdio>

namespace walla::collfs {
namespace {

struct Counter {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> collective{0};
  std::atomic<std::uint64_t> cached{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> nanoseconds{0};
  std::atomic<std::uint64_t> longest{0};
};

std::array<Counter, kOperations>& all() {
  // Never destroyed: other libraries' destructors may still close files.
  static auto* const instance = new std::array<Counter, kOperations>;
  return *instance;
}

template <typename... Values>
std::string format(const char* how, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, how, values...);
  return text;
}

/// Seconds with nine digits, whatever the locale's decimal point.
std::string decimal(double seconds) {
  const auto nanoseconds = static_cast<unsigned long long>(seconds * 1e9 + 0.5);
  return format("%llu.%09llu", nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000);
}

double meanOf(const collfs_counter& counter) {
  return counter.calls == 0 ? 0 : counter.total_seconds / static_cast<double>(counter.calls);
}

unsigned long long number(std::uint64_t value) { return value; }

}  // namespace

Measure::~Measure() {
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  const auto nanoseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
  Counter& counter = all()[static_cast<std::size_t>(operation_)];
  counter.calls.fetch_add(1, std::memory_order_relaxed);
  if (collective_) counter.collective.fetch_add(1, std::memory_order_relaxed);
  if (cached_) counter.cached.fetch_add(1, std::memory_order_relaxed);
  if (failed_) counter.failed.fetch_add(1, std::memory_order_relaxed);
  if (bytes_ > 0) counter.bytes.fetch_add(bytes_, std::memory_order_relaxed);
  counter.nanoseconds.fetch_add(nanoseconds, std::memory_order_relaxed);
  std::uint64_t longest = counter.longest.load(std::memory_order_relaxed);
  while (longest < nanoseconds &&
         !counter.longest.compare_exchange_weak(longest, nanoseconds, std::memory_order_relaxed)) {
  }
}

std::vector<collfs_counter> counters() {
  std::vector<collfs_counter> result;
  for (std::size_t i = 0; i < kOperations; ++i) {
    const Counter& counter = all()[i];
    if (counter.calls.load() == 0) continue;
    collfs_counter values{};
    values.operation = nameOf(static_cast<Operation>(i));
    values.calls = counter.calls.load();
    values.collective = counter.collective.load();
    values.cached = counter.cached.load();
    values.failed = counter.failed.load();
    values.bytes = counter.bytes.load();
    values.total_seconds = static_cast<double>(counter.nanoseconds.load()) * 1e-9;
    values.max_seconds = static_cast<double>(counter.longest.load()) * 1e-9;
    result.push_back(values);
  }
  return result;
}

std::string countersAsJson() {
  std::string text = "[";
  for (const collfs_counter& c : counters()) {
    if (text.size() > 1) text += ',';
    text += format(
        "{\"operation\":\"%s\",\"calls\":%llu,\"collective\":%llu,\"cached\":%llu,"
        "\"failed\":%llu,\"bytes\":%llu,\"totalSeconds\":%s,\"meanSeconds\":%s,"
        "\"maxSeconds\":%s}",
        c.operation, number(c.calls), number(c.collective), number(c.cached), number(c.failed),
        number(c.bytes), decimal(c.total_seconds).c_str(), decimal(meanOf(c)).c_str(),
        decimal(c.max_seconds).c_str());
  }
  return text + "]";
}

std::string countersAsTable() {
  std::string text =
      format("%-10s %9s %10s %8s %7s %14s %11s %11s %11s\n", "operation", "calls", "collective",
             "cached", "failed", "bytes", "total s", "mean s", "max s");
  for (const collfs_counter& c : counters()) {
    text += format("%-10s %9llu %10llu %8llu %7llu %14llu %11.6f %11.9f %11.9f\n", c.operation,
                   number(c.calls), number(c.collective), number(c.cached), number(c.failed),
                   number(c.bytes), c.total_seconds, meanOf(c), c.max_seconds);
  }
  return text;
}

void resetCounters() {
  for (Counter& counter : all()) {
    counter.calls = 0;
    counter.collective = 0;
    counter.cached = 0;
    counter.failed = 0;
    counter.bytes = 0;
    counter.nanoseconds = 0;
    counter.longest = 0;
  }
}

}  // namespace walla::collfs
