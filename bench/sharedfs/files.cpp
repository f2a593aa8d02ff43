#include "operations.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <memory>

namespace sharedfs {

void Passthrough::Operations::open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  Passthrough& fs = self(request);
  Inode* inode = fs.inode(number);
  fs.serve(request, Kind::open, inode->path);
  const int fd = ::open(self_fd(inode->fd).c_str(), (info->flags & ~O_NOFOLLOW) | O_CLOEXEC);
  if (fd < 0) {
    fuse_reply_err(request, errno);
    return;
  }
  fs.opened(inode, fd, info);
  if (fuse_reply_open(request, info) == -ENOENT) close(fd);
}

void Passthrough::Operations::create(fuse_req_t request, fuse_ino_t parent, const char* name,
                                     mode_t mode, fuse_file_info* info) {
  Passthrough& fs = self(request);
  Inode* directory = fs.inode(parent);
  fs.serve(request, Kind::open, child(directory, name));
  const int fd =
      openat(directory->fd, name, (info->flags | O_CREAT | O_CLOEXEC) & ~O_NOFOLLOW, mode);
  fuse_entry_param entry;
  const int error = fd < 0 ? errno : fs.look_up(directory, name, &entry);
  if (error != 0) {
    if (fd >= 0) close(fd);
    fuse_reply_err(request, error);
    return;
  }
  fs.opened(fs.inode(entry.ino), fd, info);
  if (fuse_reply_create(request, &entry, info) == -ENOENT) {
    close(fd);
    fs.inodes_.forget(fs.inode(entry.ino), 1);
  }
}

void Passthrough::Operations::read(fuse_req_t request, fuse_ino_t number, std::size_t size,
                                   off_t offset, fuse_file_info* info) {
  Passthrough& fs = self(request);
  const std::unique_ptr<char[]> buffer(new char[size]);
  const ssize_t length = pread(static_cast<int>(info->fh), buffer.get(), size, offset);
  const int error = length < 0 ? errno : 0;
  const std::size_t bytes = error != 0 ? 0 : static_cast<std::size_t>(length);
  fs.serve(request, Kind::read, fs.inode(number)->path, bytes);
  if (error != 0)
    fuse_reply_err(request, error);
  else
    fuse_reply_buf(request, buffer.get(), bytes);
}

void Passthrough::Operations::write(fuse_req_t request, fuse_ino_t number, const char* buffer,
                                    std::size_t size, off_t offset, fuse_file_info* info) {
  Passthrough& fs = self(request);
  const ssize_t length = pwrite(static_cast<int>(info->fh), buffer, size, offset);
  const int error = length < 0 ? errno : 0;
  fs.serve(request, Kind::write, fs.inode(number)->path, size);
  if (error != 0)
    fuse_reply_err(request, error);
  else
    fuse_reply_write(request, static_cast<std::size_t>(length));
}

/** A close sends nothing to the server of a file that was read. */
void Passthrough::Operations::release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  close(static_cast<int>(info->fh));
  fuse_reply_err(request, 0);
}

void Passthrough::Operations::fsync(fuse_req_t request, fuse_ino_t number, int,
                                    fuse_file_info* info) {
  Passthrough& fs = self(request);
  fs.serve(request, Kind::other, fs.inode(number)->path);
  fuse_reply_err(request, ::fsync(static_cast<int>(info->fh)) == 0 ? 0 : errno);
}

}  // namespace sharedfs
