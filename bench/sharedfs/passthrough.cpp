/*
 * The operations follow libfuse's example/passthrough_ll.c: an inode number is the address of an
 * object that holds the file open with O_PATH, and what needs a real descriptor reopens it through
 * /proc/self/fd.
 */
#include "passthrough.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <vector>

namespace sharedfs {
namespace {

std::string self_fd(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

/** An open directory and where its reader is. */
struct Directory {
  DIR* stream;
  off_t position;
};

Directory* directory_of(const fuse_file_info* info) {
  return reinterpret_cast<Directory*>(info->fh);
}

std::string child(const Inode* parent, const char* name) { return parent->path + '/' + name; }

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
  entry->ino = reinterpret_cast<fuse_ino_t>(inodes_.found(fd, entry->attr, child(parent, name)));
  return 0;
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

/** The callbacks, which take the object from the request. */
struct Passthrough::Operations {
  static Passthrough& self(fuse_req_t request) {
    return *static_cast<Passthrough*>(fuse_req_userdata(request));
  }

  static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
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

  static void forget(fuse_req_t request, fuse_ino_t number, std::uint64_t lookups) {
    Passthrough& fs = self(request);
    fs.inodes_.forget(fs.inode(number), lookups);
    fuse_reply_none(request);
  }

  static void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
    Passthrough& fs = self(request);
    for (std::size_t i = 0; i < count; ++i)
      fs.inodes_.forget(fs.inode(forgets[i].ino), forgets[i].nlookup);
    fuse_reply_none(request);
  }

  static void reply_attributes(fuse_req_t request, Passthrough& fs, const Inode* inode) {
    struct stat attributes = {};
    if (fstatat(inode->fd, "", &attributes, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
      fuse_reply_attr(request, &attributes, fs.model_.cache_seconds);
    else
      fuse_reply_err(request, errno);
  }

  static void getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
    Passthrough& fs = self(request);
    fs.serve(request, Kind::getattr, fs.inode(number)->path);
    reply_attributes(request, fs, fs.inode(number));
  }

  static void setattr(fuse_req_t request, fuse_ino_t number, struct stat* wanted, int set,
                      fuse_file_info*) {
    Passthrough& fs = self(request);
    fs.serve(request, Kind::other, fs.inode(number)->path);
    const int error = set_attributes(fs.inode(number), *wanted, set);
    if (error != 0)
      fuse_reply_err(request, error);
    else
      reply_attributes(request, fs, fs.inode(number));
  }

  static void readlink(fuse_req_t request, fuse_ino_t number) {
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

  static void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
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

  static void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
                     fuse_file_info* info) {
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

  static void read(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset,
                   fuse_file_info* info) {
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

  static void write(fuse_req_t request, fuse_ino_t number, const char* buffer, std::size_t size,
                    off_t offset, fuse_file_info* info) {
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
  static void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    close(static_cast<int>(info->fh));
    fuse_reply_err(request, 0);
  }

  static void fsync(fuse_req_t request, fuse_ino_t number, int, fuse_file_info* info) {
    Passthrough& fs = self(request);
    fs.serve(request, Kind::other, fs.inode(number)->path);
    fuse_reply_err(request, ::fsync(static_cast<int>(info->fh)) == 0 ? 0 : errno);
  }

  /** Network file systems have no such request: reading the directory is what the server hears of.
   */
  static void opendir(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
    Passthrough& fs = self(request);
    DIR* stream = ::opendir(self_fd(fs.inode(number)->fd).c_str());
    if (stream == nullptr) {
      fuse_reply_err(request, errno);
      return;
    }
    auto* directory = new Directory{stream, 0};
    info->fh = reinterpret_cast<std::uint64_t>(directory);
    info->cache_readdir = fs.caching() ? 1 : 0;
    info->keep_cache = info->cache_readdir;
    if (fuse_reply_open(request, info) == -ENOENT) close_directory(directory);
  }

  static void readdir(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset,
                      fuse_file_info* info) {
    Passthrough& fs = self(request);
    fs.serve(request, Kind::readdir, fs.inode(number)->path);
    Directory* directory = directory_of(info);
    if (offset != directory->position) {
      seekdir(directory->stream, offset);
      directory->position = offset;
    }
    std::vector<char> buffer(size);
    std::size_t used = 0;
    errno = 0;
    while (const dirent* entry = ::readdir(directory->stream)) {
      struct stat attributes = {};
      attributes.st_ino = entry->d_ino;
      attributes.st_mode = static_cast<mode_t>(entry->d_type) << 12;
      const std::size_t length = fuse_add_direntry(request, buffer.data() + used, size - used,
                                                   entry->d_name, &attributes, entry->d_off);
      if (length > size - used) {
        // The next request begins with this entry.
        seekdir(directory->stream, directory->position);
        break;
      }
      used += length;
      directory->position = entry->d_off;
    }
    if (used == 0 && errno != 0)
      fuse_reply_err(request, errno);
    else
      fuse_reply_buf(request, buffer.data(), used);
  }

  static void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    close_directory(directory_of(info));
    fuse_reply_err(request, 0);
  }

  static void close_directory(Directory* directory) {
    closedir(directory->stream);
    delete directory;
  }

  static void statfs(fuse_req_t request, fuse_ino_t number) {
    Passthrough& fs = self(request);
    fs.serve(request, Kind::other, fs.inode(number)->path);
    struct statvfs answer = {};
    if (fstatvfs(fs.inode(number)->fd, &answer) == 0)
      fuse_reply_statfs(request, &answer);
    else
      fuse_reply_err(request, errno);
  }

  /** What makes a new name: does it, then answers with the new entry. */
  template <typename Make>
  static void make(fuse_req_t request, fuse_ino_t parent, const char* name, Make make_it) {
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

  static void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
    make(request, parent, name, [=](int directory) { return mkdirat(directory, name, mode); });
  }

  static void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
    make(request, parent, name, [=](int directory) { return symlinkat(target, directory, name); });
  }

  static void link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char* name) {
    const std::string from = self_fd(self(request).inode(number)->fd);
    make(request, parent, name, [&](int directory) {
      return linkat(AT_FDCWD, from.c_str(), directory, name, AT_SYMLINK_FOLLOW);
    });
  }

  static void remove(fuse_req_t request, fuse_ino_t parent, const char* name, int flags) {
    Passthrough& fs = self(request);
    Inode* directory = fs.inode(parent);
    fs.serve(request, Kind::other, child(directory, name));
    fuse_reply_err(request, unlinkat(directory->fd, name, flags) == 0 ? 0 : errno);
  }

  static void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
    remove(request, parent, name, 0);
  }

  static void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
    remove(request, parent, name, AT_REMOVEDIR);
  }

  static void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                     const char* new_name, unsigned flags) {
    Passthrough& fs = self(request);
    const Inode* from = fs.inode(parent);
    const Inode* to = fs.inode(new_parent);
    fs.serve(request, Kind::other, child(to, new_name));
    const int status = renameat2(from->fd, name, to->fd, new_name, flags);
    fuse_reply_err(request, status == 0 ? 0 : errno);
  }
};

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
