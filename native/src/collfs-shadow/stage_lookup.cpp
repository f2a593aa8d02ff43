#include "stage_lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace walla::shadow {
namespace {

/// @returns false when the name is not below the stage's paths, or is too long
bool stagedName(const Stage& stage, const char* name, Name& staged) {
  Name directory;
  if (name[0] != '/' && getcwd(directory.text, sizeof directory.text) == nullptr) return false;
  Name clean;
  if (!cleanName(name, directory.text, clean) || !isBelow(clean.text, stage.paths)) return false;
  staged.cut(0);
  return staged.append(stage.directory) && staged.append(clean.text, clean.length);
}

/// True when the letters of `name` say where it leads: `..` after a linked directory does not lead
/// back, and after one that is not there nowhere. The working directory is no link.
bool isLiteral(const Stage& stage, const char* name) {
  for (const char* dots = strstr(name, "/.."); dots != nullptr; dots = strstr(dots + 1, "/..")) {
    if (dots[3] != '/' && dots[3] != '\0') continue;
    Name before;
    Name staged;
    struct stat status;
    const bool known = before.append(name, static_cast<std::size_t>(dots - name)) &&
                       stagedName(stage, before.text, staged) && lstat(staged.text, &status) == 0 &&
                       S_ISDIR(status.st_mode);
    if (!known) return false;
  }
  return true;
}

/// True for a descriptor of a copy that collfs made: whose process has died, its number may be
/// another process's by now, and its descriptors other files.
bool isCopy(int fd) {
  constexpr char kCopy[] = "/memfd:collfs";
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  char target[sizeof kCopy];
  const ssize_t bytes = readlink(link, target, sizeof target);
  constexpr std::size_t kLength = sizeof kCopy - 1;
  return bytes >= static_cast<ssize_t>(kLength) && memcmp(target, kCopy, kLength) == 0;
}

}  // namespace

bool findStage(Stage& stage) {
  stage.directory = getenv("COLLFS_STAGE");
  stage.paths = getenv("COLLFS_PATHS");
  if (stage.directory == nullptr || stage.paths == nullptr || stage.directory[0] != '/') {
    return false;
  }
  struct stat status;
  return lstat(stage.directory, &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == geteuid() && (status.st_mode & 077) == 0;
}

const char* originalName(const Stage& stage, const char* name) {
  const std::size_t bytes = strlen(stage.directory);
  const bool inside = strncmp(name, stage.directory, bytes) == 0 && name[bytes] == '/';
  return inside ? name + bytes : name;
}

const char* redirect(const Stage& stage, const char* name, Name& buffer) {
  // To the linker, $ORIGIN of an object from the stage is in the stage.
  name = originalName(stage, name);
  if (!stagedName(stage, name, buffer) || !isLiteral(stage, name)) return name;
  // O_PATH: opens nothing, and follows links to the end.
  const int fd = open(buffer.text, O_PATH | O_CLOEXEC);
  if (fd < 0) {
    // What was not found has to be known for sure: a link that leads nowhere is a copy whose
    // process has ended.
    struct stat status;
    const bool sure = errno == ENOENT && lstat(buffer.text, &status) != 0;
    // The process that holds the stage removes all of it at once.
    return sure && lstat(stage.directory, &status) == 0 ? buffer.text : name;
  }
  const bool copy = isCopy(fd);
  close(fd);
  return copy ? buffer.text : name;
}

Presence presenceOf(const Stage& stage, const char* name) {
  Name staged;
  const bool below = stagedName(stage, name, staged);
  if (below && !isLiteral(stage, name)) return Presence::unknown;
  struct stat status;
  if (lstat(below ? staged.text : name, &status) == 0) return Presence::present;
  if (errno != ENOENT && errno != ENOTDIR) return Presence::unknown;
  return Presence::absent;
}

}  // namespace walla::shadow
