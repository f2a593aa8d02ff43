#include "stage_keeper.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>

#include "../posix_error.h"
#include "../private_directory.h"
#include "../unique_fd.h"

namespace walla::shadow {
namespace {

[[noreturn]] void keep(int pipe, const std::string& stage) {
  // A launcher ends a job by signals to its process group; this has to outlive them.
  setsid();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
  // Whoever reads this job's output waits for all who have it open.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {0, 1, 2}) dup2(null, standard);
  bool made = false;
  for (;;) {
    char byte = 0;
    const ssize_t got = read(pipe, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    made = true;
  }
  try {
    const std::size_t slash = stage.rfind('/');
    const UniqueFd parent(
        open(stage.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (made) removeTree(parent.get(), stage.substr(slash + 1));
  } catch (const std::exception&) {
    _exit(1);
  }
  _exit(0);
}

}  // namespace

StageKeeper::StageKeeper(const std::string& stage) : stage_(stage) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throwErrno("pipe2", stage);
  child_ = fork();
  if (child_ == 0) {
    close(ends[1]);
    keep(ends[0], stage_);
  }
  const int code = errno;
  close(ends[0]);
  pipe_ = ends[1];
  if (child_ < 0) {
    close(pipe_);
    throw PosixError(code, "fork", stage);
  }
}

StageKeeper::~StageKeeper() {
  close(pipe_);
  while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

int StageKeeper::makeStage() {
  if (mkdir(stage_.c_str(), 0700) != 0) return errno;
  const char byte = 1;
  return write(pipe_, &byte, 1) == 1 ? 0 : errno;
}

}  // namespace walla::shadow
