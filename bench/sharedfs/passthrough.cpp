/*
 * As in libfuse's example/passthrough_ll.c an inode number is the address of an object that holds
 * the file open with O_PATH, and what needs a real descriptor reopens it through /proc/self/fd.
 */
#include "operations.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

namespace sharedfs {

std::string self_fd(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::string child(const Inode* parent, const char* name) { return parent->path + '/' + name; }

Passthrough::Passthrough(int root, const Model& model, ServerQueue& queue, RequestLog& log)
    : model_(model), queue_(queue), log_(log) {
  struct stat identity = {};
  fstat(root, &identity);
  root_ = inodes_.found(root, identity, "");
}

void Passthrough::serve(fuse_req_t request, Kind kind, const std::string& path,
                        std::uint64_t bytes) {
  const bool transfers = kind == Kind::read || kind == Kind::write;
  const auto cost = (transfers ? model_.read_ns : model_.metadata_ns) +
                    static_cast<std::int64_t>(static_cast<double>(bytes) * model_.byte_ns);
  const std::int64_t took = queue_.serve(cost);
  log_.add(fuse_req_ctx(request)->pid, kind, bytes, took, path);
}

int Passthrough::look_up(Inode* parent, const char* name, fuse_entry_param* entry) {
  *entry = {};
  entry->attr_timeout = entry->entry_timeout = model_.cache_seconds;
  const int fd = openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  if (fstatat(fd, "", &entry->attr, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    const int error = errno;
    close(fd);
    return error;
  }
  Inode* found = inodes_.found(fd, entry->attr, child(parent, name));
  told_attributes(found);
  entry->ino = reinterpret_cast<fuse_ino_t>(found);
  return 0;
}

void Passthrough::told_attributes(Inode* inode) const {
  inode->attributes_until_ns =
      monotonic_ns() + static_cast<std::int64_t>(model_.cache_seconds * 1e9);
}

bool Passthrough::has_attributes(const Inode* inode) {
  return monotonic_ns() < inode->attributes_until_ns;
}

void Passthrough::reply_entry(fuse_req_t request, const fuse_entry_param& entry) {
  // A request that was interrupted takes no reply: the kernel does not know this lookup.
  if (fuse_reply_entry(request, &entry) == -ENOENT && entry.ino != 0)
    inodes_.forget(inode(entry.ino), 1);
}

void Passthrough::opened(Inode* inode, int fd, fuse_file_info* info) {
  struct stat now = {};
  fstat(fd, &now);
  info->fh = static_cast<std::uint64_t>(fd);
  info->keep_cache = inodes_.unchanged_since_open(inode, now) && caching() ? 1 : 0;
}

const fuse_lowlevel_ops& Passthrough::operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops = {};
    ops.lookup = Operations::lookup;
    ops.forget = Operations::forget;
    ops.forget_multi = Operations::forget_multi;
    ops.getattr = Operations::getattr;
    ops.setattr = Operations::setattr;
    ops.readlink = Operations::readlink;
    ops.open = Operations::open;
    ops.create = Operations::create;
    ops.read = Operations::read;
    ops.write = Operations::write;
    ops.release = Operations::release;
    ops.fsync = Operations::fsync;
    ops.opendir = Operations::opendir;
    ops.readdir = Operations::readdir;
    ops.releasedir = Operations::releasedir;
    ops.statfs = Operations::statfs;
    ops.mkdir = Operations::mkdir;
    ops.symlink = Operations::symlink;
    ops.link = Operations::link;
    ops.unlink = Operations::unlink;
    ops.rmdir = Operations::rmdir;
    ops.rename = Operations::rename;
    return ops;
  }();
  return table;
}

}  // namespace sharedfs
