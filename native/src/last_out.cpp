#include "last_out.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "file_lock.h"
#include "private_directory.h"

namespace walla {

namespace {

constexpr const char* kGate = ".gate";
constexpr const char* kKeep = "keep";
// Another job is about to start that wants it; stage/lease.ts.
constexpr const char* kLease = "lease";
// Others hold the gate for moments. Past this they are stopped, and the next job sweeps.
constexpr int kGateTries = 2000;
constexpr long kGatePauseNs = 1000 * 1000;

struct Registration {
  std::string directory;
  int lockFd;
  pid_t owner;
};

std::mutex registrationsMutex;

std::vector<Registration>& registrations() {
  // Never destroyed: exit handlers of other libraries may still run after static destructors.
  static auto* list = new std::vector<Registration>;
  return *list;
}

bool lockGate(int gateFd) {
  for (int tries = 0; tries < kGateTries; ++tries) {
    if (lockFile(gateFd, LockMode::exclusive, false)) return true;
    const timespec pause{0, kGatePauseNs};
    nanosleep(&pause, nullptr);
  }
  return false;
}

bool removeBehindGate(const std::string& parent, const std::string& name, int lockFd) {
  const UniqueFd user = openPrivateDirectory(AT_FDCWD, parent, false);
  const UniqueFd gate = openPrivateFile(user.get(), kGate, OpenHow::open);
  if (!lockGate(gate.get()) || !isSameFile(gate.get(), user.get(), kGate)) return false;
  // Turning our shared lock into an exclusive one works exactly when nobody else has one.
  if (!lockFile(lockFd, LockMode::exclusive, false)) return false;
  const UniqueFd image = openPrivateDirectory(user.get(), name, false);
  for (const char* reason : {kKeep, kLease}) {
    if (openPrivateFile(image.get(), reason, OpenHow::read).valid()) return false;
  }
  removeTree(user.get(), name);
  if (listNames(user.get()).size() == 1) {
    // Only the gate is left. Whoever waits for it notices that it is gone, and makes a new one.
    unlinkat(user.get(), kGate, 0);
    rmdir(parent.c_str());
  }
  return true;
}

extern "C" void runAtExit(int, void*) {
  const pid_t self = getpid();
  std::vector<Registration> mine;
  {
    const std::lock_guard<std::mutex> guard(registrationsMutex);
    mine.swap(registrations());
  }
  // A child forked without exec has a copy of the list, and no say.
  for (const Registration& registration : mine) {
    if (registration.owner == self) removeIfLast(registration.directory, registration.lockFd);
  }
}

}  // namespace

bool removeIfLast(const std::string& directory, int lockFd) noexcept {
  try {
    const size_t slash = directory.rfind('/');
    if (slash == std::string::npos || slash == 0) return false;
    return removeBehindGate(directory.substr(0, slash), directory.substr(slash + 1), lockFd);
  } catch (const std::exception&) {
    return false;  // gone already, or not ours any more: the next job sweeps
  }
}

void removeAtExit(const std::string& directory, int lockFd) {
  const std::lock_guard<std::mutex> guard(registrationsMutex);
  // on_exit and not atexit: an atexit handler of a library may run when it is closed.
  static const int registered = on_exit(runAtExit, nullptr);
  (void)registered;
  registrations().push_back({directory, lockFd, getpid()});
}

}  // namespace walla
