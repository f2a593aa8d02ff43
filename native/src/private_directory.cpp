#include "private_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "directory_stream.h"
#include "posix_error.h"

namespace walla {

namespace {

constexpr mode_t kPermissions = 07777;
constexpr mode_t kOthers = 077;

const char* typeOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISREG(mode)) return "a file";
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a FIFO";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

/// What to call `name` in a message: with the path of the directory it is in.
std::string fullName(int directoryFd, std::string_view name) {
  if (directoryFd == AT_FDCWD) return std::string(name);
  return describeFd(directoryFd).append("/").append(name);
}

/// Says what stands where something private should, and whose it is: the person who reads this has
/// to find out who planted it.
[[noreturn]] void refuse(const struct stat& status, std::string_view object) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(status.st_mode & kPermissions));
  std::string text(object);
  text.append(": it is ").append(typeOf(status.st_mode)).append(" of uid ");
  text.append(std::to_string(status.st_uid)).append(" with mode ").append(mode);
  text.append(", and should be private to uid ").append(std::to_string(geteuid()));
  throw PosixError(EPERM, "use", text);
}

void checkOwner(const struct stat& status, std::string_view object) {
  if (status.st_uid != geteuid() || (status.st_mode & kOthers) != 0) refuse(status, object);
}

/// After an open that failed: says what is in the way where that is the reason.
[[noreturn]] void refuseOpen(int directoryFd, const std::string& name) {
  const int code = errno;
  const bool inTheWay = code == ENOTDIR || code == ELOOP || code == EISDIR || code == EACCES ||
                        code == EPERM || code == ENXIO;
  struct stat status;
  if (inTheWay && fstatat(directoryFd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    refuse(status, fullName(directoryFd, name));
  }
  throw PosixError(code, "open", fullName(directoryFd, name));
}

struct stat statusOf(int fd, std::string_view object) {
  struct stat status;
  if (fstat(fd, &status) != 0) throwErrno("fstat", object);
  return status;
}

/// The path without trailing slashes: with one, the kernel follows a link there in spite of
/// O_NOFOLLOW.
std::string lastComponentBare(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  const std::string_view last = slash == path.npos ? path : path.substr(slash + 1);
  if (last.empty() || last == "." || last == ".." || path.find('\0') != path.npos) {
    throw PosixError(EINVAL, "open", path);
  }
  return std::string(path);
}

}  // namespace

std::string oneName(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
      name.find('\0') != name.npos) {
    throw PosixError(EINVAL, "use as a name", name);
  }
  return std::string(name);
}

void undoUmask(int pathFd) {
  if ((statusOf(pathFd, "directory").st_mode & kPermissions) == 0700) return;
  const std::string link = "/proc/self/fd/" + std::to_string(pathFd);
  if (chmod(link.c_str(), 0700) != 0) throwErrno("chmod", describeFd(pathFd));
}

UniqueFd openPrivateDirectory(int directoryFd, std::string_view path, bool create) {
  const std::string bare = directoryFd == AT_FDCWD ? lastComponentBare(path) : oneName(path);
  bool made = false;
  UniqueFd place;
  do {
    if (create) {
      made = mkdirat(directoryFd, bare.c_str(), 0700) == 0;
      if (!made && errno != EEXIST) throwErrno("mkdir", bare);
    }
    // O_PATH first: it needs no permission on the directory itself, which the umask may have taken.
    place =
        UniqueFd(openat(directoryFd, bare.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // Its last user may have removed it after it was found there: then it is made.
  } while (create && !place.valid() && errno == ENOENT);
  if (!place.valid()) refuseOpen(directoryFd, bare);
  const struct stat status = statusOf(place.get(), bare);
  checkOwner(status, fullName(directoryFd, bare));
  if (made) undoUmask(place.get());
  UniqueFd directory(openat(place.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) throwErrno("open", bare);
  return directory;
}

UniqueFd openPrivateFile(int directoryFd, std::string_view name, OpenHow how) {
  const std::string one = oneName(name);
  // O_NONBLOCK: a planted FIFO must not hang the job before it is refused. Regular files ignore it.
  int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  flags |= how == OpenHow::read ? O_RDONLY : O_RDWR;
  bool made = false;
  UniqueFd file;
  if (how == OpenHow::create || how == OpenHow::open) {
    file = UniqueFd(openat(directoryFd, one.c_str(), flags | O_CREAT | O_EXCL, 0600));
    made = file.valid();
    if (!made && (how == OpenHow::create || errno != EEXIST)) refuseOpen(directoryFd, one);
    flags |= O_CREAT;  // another process may remove it meanwhile
  }
  if (!made) file = UniqueFd(openat(directoryFd, one.c_str(), flags, 0600));
  if (!file.valid()) {
    const bool mustExist = how == OpenHow::write || how == OpenHow::read;
    if (mustExist && errno == ENOENT) return file;
    refuseOpen(directoryFd, one);
  }
  const struct stat status = statusOf(file.get(), one);
  if (!S_ISREG(status.st_mode)) refuse(status, fullName(directoryFd, one));
  checkOwner(status, fullName(directoryFd, one));
  // The umask may have taken what other processes of this user need.
  if (made && (status.st_mode & kPermissions) != 0600 && fchmod(file.get(), 0600) != 0) {
    throwErrno("chmod", one);
  }
  return file;
}

void writePrivateFile(int directoryFd, std::string_view name, std::string_view bytes) {
  const UniqueFd file = openPrivateFile(directoryFd, name, OpenHow::create);
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throwErrno("write", name);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void renameInside(int directoryFd, std::string_view from, std::string_view to) {
  const std::string source = oneName(from);
  const std::string target = oneName(to);
  if (renameat(directoryFd, source.c_str(), directoryFd, target.c_str()) != 0) {
    throwErrno("rename", source);
  }
}

void removeTree(int directoryFd, std::string_view name) {
  const std::string one = oneName(name);
  if (unlinkat(directoryFd, one.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throwErrno("unlink", one);
  // An empty one goes whoever owns it.
  if (unlinkat(directoryFd, one.c_str(), AT_REMOVEDIR) == 0) return;
  {
    const UniqueFd directory(
        openat(directoryFd, one.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid()) {
      if (errno == ENOENT) return;
      refuseOpen(directoryFd, one);
    }
    for (const std::string& child : listNames(directory.get())) removeTree(directory.get(), child);
  }
  if (unlinkat(directoryFd, one.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    throwErrno("rmdir", one);
  }
}

std::vector<std::string> listNames(int directoryFd) {
  std::vector<std::string> names;
  DirectoryStream stream(directoryFd);
  while (const dirent* child = stream.next()) names.emplace_back(child->d_name);
  return names;
}

bool isSameFile(int fd, int directoryFd, std::string_view name) {
  const std::string one = oneName(name);
  const struct stat held = statusOf(fd, one);
  struct stat named;
  if (fstatat(directoryFd, one.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    throwErrno("stat", one);
  }
  return held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace walla
