#pragma once

#include "rank_finder.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>

namespace sharedfs {

enum class Kind { lookup, getattr, readlink, open, read, readdir, write, other };
constexpr std::size_t kind_count = 8;

/** What arrived at the server from one node: counts by rank and kind, and, if asked for, a line for
 * each request. */
class RequestLog {
 public:
  /**
   * @param trace file to write, tab separated: seconds since 1970 at the end of the request, rank,
   * kind, bytes, microseconds it took, path; empty for none
   */
  explicit RequestLog(const std::string& trace);
  ~RequestLog();
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  void add(pid_t thread, Kind kind, std::uint64_t bytes, std::int64_t took_ns,
           const std::string& path);

  /** `{"0": {"lookup": 3, ..., "bytes": 4096}, ...}` by rank; "-1" for all that are no ranks. */
  std::string json() const;

 private:
  struct Counts {
    std::array<std::uint64_t, kind_count> requests = {};
    std::uint64_t bytes = 0;
  };

  RankFinder ranks_;
  mutable std::mutex mutex_;
  std::map<int, Counts> counts_;
  std::FILE* trace_ = nullptr;
};

}  // namespace sharedfs
