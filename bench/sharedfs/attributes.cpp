#include "operations.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <cerrno>

namespace sharedfs {
namespace {

int set_attributes(const Inode* inode, const struct stat& wanted, int set) {
  const std::string path = self_fd(inode->fd);
  if ((set & FUSE_SET_ATTR_MODE) != 0 && chmod(path.c_str(), wanted.st_mode) != 0) return errno;
  if ((set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
    const uid_t user = (set & FUSE_SET_ATTR_UID) != 0 ? wanted.st_uid : static_cast<uid_t>(-1);
    const gid_t group = (set & FUSE_SET_ATTR_GID) != 0 ? wanted.st_gid : static_cast<gid_t>(-1);
    if (fchownat(inode->fd, "", user, group, AT_EMPTY_PATH) != 0) return errno;
  }
  if ((set & FUSE_SET_ATTR_SIZE) != 0 && truncate(path.c_str(), wanted.st_size) != 0) return errno;
  if ((set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0) {
    timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    if ((set & FUSE_SET_ATTR_ATIME_NOW) != 0)
      times[0].tv_nsec = UTIME_NOW;
    else if ((set & FUSE_SET_ATTR_ATIME) != 0)
      times[0] = wanted.st_atim;
    if ((set & FUSE_SET_ATTR_MTIME_NOW) != 0)
      times[1].tv_nsec = UTIME_NOW;
    else if ((set & FUSE_SET_ATTR_MTIME) != 0)
      times[1] = wanted.st_mtim;
    if (utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) return errno;
  }
  return 0;
}

}  // namespace

void Passthrough::Operations::reply_attributes(fuse_req_t request, Passthrough& fs, Inode* inode) {
  struct stat attributes = {};
  if (fstatat(inode->fd, "", &attributes, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fs.told_attributes(inode);
  fuse_reply_attr(request, &attributes, fs.model_.cache_seconds);
}

void Passthrough::Operations::getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  Passthrough& fs = self(request);
  Inode* inode = fs.inode(number);
  // After each read FUSE asks for the time of access before it answers a stat, whatever it was told
  // to believe. Clients of real shared file systems answer from what they have, so the server is
  // not troubled.
  if (!has_attributes(inode)) fs.serve(request, Kind::getattr, inode->path);
  reply_attributes(request, fs, fs.inode(number));
}

void Passthrough::Operations::setattr(fuse_req_t request, fuse_ino_t number, struct stat* wanted,
                                      int set, fuse_file_info*) {
  Passthrough& fs = self(request);
  fs.serve(request, Kind::other, fs.inode(number)->path);
  const int error = set_attributes(fs.inode(number), *wanted, set);
  if (error != 0)
    fuse_reply_err(request, error);
  else
    reply_attributes(request, fs, fs.inode(number));
}

void Passthrough::Operations::statfs(fuse_req_t request, fuse_ino_t number) {
  Passthrough& fs = self(request);
  fs.serve(request, Kind::other, fs.inode(number)->path);
  struct statvfs answer = {};
  if (fstatvfs(fs.inode(number)->fd, &answer) == 0)
    fuse_reply_statfs(request, &answer);
  else
    fuse_reply_err(request, errno);
}

}  // namespace sharedfs
