#include "place.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "open_files.h"

namespace walla::collfs {

Place placeOf(int directoryFd, const char* path) {
  const std::string name = path;
  const bool absolute = !name.empty() && name[0] == '/';
  if (absolute || directoryFd == AT_FDCWD) return {name, AT_FDCWD, name, absolute};
  const auto directory = openFileOf(directoryFd);
  if (directory == nullptr || !directory->directory) {
    // Only root's number means anything, so only the name is compared.
    return {"(descriptor)/" + name, directoryFd, name, false};
  }
  const auto below = [&name](const std::string& parent) {
    return parent + (parent.empty() || parent.back() == '/' ? "" : "/") + name;
  };
  const std::string& parent = directory->absolute.empty() ? directory->path : directory->absolute;
  // An empty name is ENOENT, as everywhere.
  return {below(directory->path), AT_FDCWD, name.empty() ? name : below(parent),
          !name.empty() && directory->path[0] == '/'};
}

std::string absoluteOf(const Place& place) {
  if (place.path.empty() || place.path[0] == '/') return place.path;
  char parent[PATH_MAX];
  if (place.directoryFd == AT_FDCWD) {
    if (getcwd(parent, sizeof parent) == nullptr) return "";
  } else {
    const std::string link = "/proc/self/fd/" + std::to_string(place.directoryFd);
    const ssize_t bytes = readlink(link.c_str(), parent, sizeof parent - 1);
    if (bytes <= 0) return "";
    parent[bytes] = '\0';
  }
  return std::string(parent) + "/" + place.path;
}

}  // namespace walla::collfs
