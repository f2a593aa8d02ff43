#include "request_log.h"

#include <time.h>
#include <cerrno>
#include <system_error>

namespace sharedfs {
namespace {

constexpr std::array<const char*, kind_count> kind_names = {
    "lookup", "getattr", "readlink", "open", "read", "readdir", "write", "other"};

}  // namespace

RequestLog::RequestLog(const std::string& trace) {
  if (trace.empty()) return;
  trace_ = std::fopen(trace.c_str(), "we");
  if (trace_ == nullptr) throw std::system_error(errno, std::generic_category(), trace);
}

RequestLog::~RequestLog() {
  if (trace_ != nullptr) std::fclose(trace_);
}

void RequestLog::add(pid_t thread, Kind kind, std::uint64_t bytes, std::int64_t took_ns,
                     const std::string& path) {
  const int rank = ranks_.rank_of(thread);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const std::lock_guard<std::mutex> lock(mutex_);
  Counts& counts = counts_[rank];
  ++counts.requests[static_cast<std::size_t>(kind)];
  counts.bytes += bytes;
  if (trace_ == nullptr) return;
  std::fprintf(trace_, "%lld.%06ld\t%d\t%s\t%llu\t%lld\t%s\n", static_cast<long long>(now.tv_sec),
               now.tv_nsec / 1000, rank, kind_names[static_cast<std::size_t>(kind)],
               static_cast<unsigned long long>(bytes), static_cast<long long>(took_ns / 1000),
               path.c_str());
}

std::string RequestLog::json() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string text = "{";
  for (const auto& [rank, counts] : counts_) {
    if (text.size() > 1) text += ", ";
    text += '"' + std::to_string(rank) + "\": {";
    for (std::size_t kind = 0; kind < kind_count; ++kind) {
      text += '"' + std::string(kind_names[kind]) + "\": " + std::to_string(counts.requests[kind]) +
              ", ";
    }
    text += "\"bytes\": " + std::to_string(counts.bytes) + '}';
  }
  return text + '}';
}

}  // namespace sharedfs
