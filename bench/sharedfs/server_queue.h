#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace sharedfs {

/**
 * The one server behind the mounts of all nodes. It works on one request at a time, in the order of
 * arrival; a request ends when those before it and its own work are done.
 *
 * The state is a single number in a file that all mounts map: the time at which the server has
 * nothing left to do. A request moves it on by its own cost and sleeps until then. So the server's
 * speed does not depend on how the kernel schedules the processes that stand in for it, and one
 * that dies takes no lock along.
 */
class ServerQueue {
 public:
  /** @param path of the file that the mounts share; made if it is not there, with an idle server */
  explicit ServerQueue(const std::string& path);
  ~ServerQueue();
  ServerQueue(const ServerQueue&) = delete;
  ServerQueue& operator=(const ServerQueue&) = delete;

  /**
   * Waits for the server and for its work.
   * @return nanoseconds spent waiting, the work included
   */
  std::int64_t serve(std::int64_t cost_ns);

 private:
  std::atomic<std::int64_t>* free_at_ns_;
};

/** CLOCK_MONOTONIC, which all processes of the machine share. */
std::int64_t monotonic_ns();

}  // namespace sharedfs
