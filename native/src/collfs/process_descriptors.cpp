#include "process_descriptors.h"

#include <string>

namespace walla::collfs {

UniqueFd ProcessDescriptors::open(pid_t process, int fd, int flags) {
  if (process != process_ || !directory_.valid()) {
    // /proc may be that of another PID namespace, which knows this process by another number.
    const std::string owner = process == kOwn ? "self" : std::to_string(process);
    const std::string path = "/proc/" + owner + "/fd";
    directory_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory_.valid()) return UniqueFd();
    process_ = process;
  }
  return UniqueFd(openat(directory_.get(), std::to_string(fd).c_str(), flags));
}

}  // namespace walla::collfs
