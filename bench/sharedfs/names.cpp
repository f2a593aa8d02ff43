#include "operations.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <climits>

namespace sharedfs {

void Passthrough::Operations::lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Passthrough& fs = self(request);
  Inode* directory = fs.inode(parent);
  fuse_entry_param entry;
  const int error = fs.look_up(directory, name, &entry);
  fs.serve(request, Kind::lookup, child(directory, name));
  // An entry without an inode says that there is no such name, and for how long to believe it.
  if (error == 0 || (error == ENOENT && fs.caching()))
    fs.reply_entry(request, entry);
  else
    fuse_reply_err(request, error);
}

void Passthrough::Operations::forget(fuse_req_t request, fuse_ino_t number, std::uint64_t lookups) {
  Passthrough& fs = self(request);
  fs.inodes_.forget(fs.inode(number), lookups);
  fuse_reply_none(request);
}

void Passthrough::Operations::forget_multi(fuse_req_t request, std::size_t count,
                                           fuse_forget_data* forgets) {
  Passthrough& fs = self(request);
  for (std::size_t i = 0; i < count; ++i)
    fs.inodes_.forget(fs.inode(forgets[i].ino), forgets[i].nlookup);
  fuse_reply_none(request);
}

void Passthrough::Operations::readlink(fuse_req_t request, fuse_ino_t number) {
  Passthrough& fs = self(request);
  const Inode* inode = fs.inode(number);
  fs.serve(request, Kind::readlink, inode->path);
  char target[PATH_MAX];
  const ssize_t length = readlinkat(inode->fd, "", target, sizeof target - 1);
  if (length < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  target[length] = '\0';
  fuse_reply_readlink(request, target);
}

/** What makes a new name: does it, then answers with the new entry. */
template <typename Make>
void Passthrough::Operations::make(fuse_req_t request, fuse_ino_t parent, const char* name,
                                   Make make_it) {
  Passthrough& fs = self(request);
  Inode* directory = fs.inode(parent);
  fs.serve(request, Kind::other, child(directory, name));
  fuse_entry_param entry;
  const int error = make_it(directory->fd) == 0 ? fs.look_up(directory, name, &entry) : errno;
  if (error != 0)
    fuse_reply_err(request, error);
  else
    fs.reply_entry(request, entry);
}

void Passthrough::Operations::mkdir(fuse_req_t request, fuse_ino_t parent, const char* name,
                                    mode_t mode) {
  make(request, parent, name, [=](int directory) { return mkdirat(directory, name, mode); });
}

void Passthrough::Operations::symlink(fuse_req_t request, const char* target, fuse_ino_t parent,
                                      const char* name) {
  make(request, parent, name, [=](int directory) { return symlinkat(target, directory, name); });
}

void Passthrough::Operations::link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent,
                                   const char* name) {
  const std::string from = self_fd(self(request).inode(number)->fd);
  make(request, parent, name, [&](int directory) {
    return linkat(AT_FDCWD, from.c_str(), directory, name, AT_SYMLINK_FOLLOW);
  });
}

void Passthrough::Operations::remove(fuse_req_t request, fuse_ino_t parent, const char* name,
                                     int flags) {
  Passthrough& fs = self(request);
  Inode* directory = fs.inode(parent);
  fs.serve(request, Kind::other, child(directory, name));
  fuse_reply_err(request, unlinkat(directory->fd, name, flags) == 0 ? 0 : errno);
}

void Passthrough::Operations::unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  remove(request, parent, name, 0);
}

void Passthrough::Operations::rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  remove(request, parent, name, AT_REMOVEDIR);
}

void Passthrough::Operations::rename(fuse_req_t request, fuse_ino_t parent, const char* name,
                                     fuse_ino_t new_parent, const char* new_name, unsigned flags) {
  Passthrough& fs = self(request);
  const Inode* from = fs.inode(parent);
  const Inode* to = fs.inode(new_parent);
  fs.serve(request, Kind::other, child(to, new_name));
  const int status = renameat2(from->fd, name, to->fd, new_name, flags);
  fuse_reply_err(request, status == 0 ? 0 : errno);
}

}  // namespace sharedfs
