/*
 * sharedfs [options] DIRECTORY: puts a slow shared file system in front of a directory, as one
 * client node sees it.
 *
 *   --queue=FILE          the server; mounts that name the same file wait for each other. Required.
 *   --metadata-us=N       microseconds of the server for a request that transfers nothing (default
 * 0)
 *   --read-us=N           microseconds of the server for a read or write, beside its bytes (default
 * 0)
 *   --mib-per-second=N    bandwidth of the server (default: without limit)
 *   --cache-seconds=N     how long the client believes names and attributes, and keeps pages; 0:
 * not at all (default)
 *   --trace=FILE          a line for each request
 *
 * Mounts over DIRECTORY itself, so paths are the same with and without it. Prints "ready" when
 * mounted; on SIGTERM unmounts and prints the counts of requests as JSON.
 */
#include "passthrough.h"

#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace sharedfs {
namespace {

/** As many requests as clients can have under way: each waits for the server in a thread of its
 * own. */
constexpr unsigned max_threads = 64;

struct Arguments {
  Model model;
  std::string queue;
  std::string trace;
  std::string directory;
};

double number(const char* option, const char* text) {
  std::size_t used = 0;
  double value = -1;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  if (value < 0 || text[used] != '\0')
    throw std::invalid_argument(std::string(option) + " takes a number, not " + text);
  return value;
}

Arguments parse(int argc, char** argv) {
  constexpr double us = 1000;
  const option options[] = {{"queue", required_argument, nullptr, 'q'},
                            {"metadata-us", required_argument, nullptr, 'm'},
                            {"read-us", required_argument, nullptr, 'r'},
                            {"mib-per-second", required_argument, nullptr, 'b'},
                            {"cache-seconds", required_argument, nullptr, 'c'},
                            {"trace", required_argument, nullptr, 't'},
                            {nullptr, 0, nullptr, 0}};
  Arguments found;
  int index = 0;
  for (int which; (which = getopt_long(argc, argv, "", options, &index)) != -1;) {
    if (which == '?') throw std::invalid_argument("see the head of main.cpp for the options");
    const char* name = options[index].name;
    if (which == 'q') found.queue = optarg;
    if (which == 't') found.trace = optarg;
    if (which == 'm')
      found.model.metadata_ns = static_cast<std::int64_t>(number(name, optarg) * us);
    if (which == 'r') found.model.read_ns = static_cast<std::int64_t>(number(name, optarg) * us);
    if (which == 'c') found.model.cache_seconds = number(name, optarg);
    if (which == 'b') {
      const double rate = number(name, optarg);
      found.model.byte_ns = rate > 0 ? 1e9 / (rate * 1024 * 1024) : 0;
    }
  }
  if (found.queue.empty() || optind + 1 != argc)
    throw std::invalid_argument("usage: sharedfs --queue=FILE [options] DIRECTORY");
  found.directory = argv[optind];
  return found;
}

void prepare_process() {
  // One descriptor for each file that the kernel remembers.
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max = std::max<rlim_t>(files.rlim_max, 1'000'000);
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
      files.rlim_cur = files.rlim_max;
      setrlimit(RLIMIT_NOFILE, &files);
    }
  }
  prctl(PR_SET_TIMERSLACK, 1UL);
  // On a real cluster the server has processors of its own: here it goes first, where that is
  // allowed.
  const sched_param first = {1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  umask(0);
}

struct SessionEnd {
  void operator()(fuse_session* session) const {
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
  }
};

int run(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  prepare_process();
  const int root = open(arguments.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) throw std::system_error(errno, std::generic_category(), arguments.directory);
  ServerQueue queue(arguments.queue);
  RequestLog log(arguments.trace);
  Passthrough passthrough(root, arguments.model, queue, log);

  std::string words[] = {"sharedfs", "-o", "default_permissions,allow_other,fsname=sharedfs"};
  char* pointers[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, pointers);
  fuse_session* session =
      fuse_session_new(&args, &Passthrough::operations(), sizeof(fuse_lowlevel_ops), &passthrough);
  if (session == nullptr || fuse_set_signal_handlers(session) != 0 ||
      fuse_session_mount(session, arguments.directory.c_str()) != 0)
    throw std::runtime_error("cannot mount over " + arguments.directory);
  int status = 0;
  {
    const std::unique_ptr<fuse_session, SessionEnd> mounted(session);
    const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> loop(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    fuse_loop_cfg_set_max_threads(loop.get(), max_threads);
    fuse_loop_cfg_set_idle_threads(loop.get(), max_threads);
    std::puts("ready");
    std::fflush(stdout);
    status = fuse_session_loop_mt(session, loop.get());
  }
  std::puts(log.json().c_str());
  fuse_opt_free_args(&args);
  return status < 0 ? 1 : 0;
}

}  // namespace
}  // namespace sharedfs

int main(int argc, char** argv) {
  try {
    return sharedfs::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sharedfs: %s\n", error.what());
    return 1;
  }
}
