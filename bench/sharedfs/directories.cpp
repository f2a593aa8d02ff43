#include "operations.h"

#include <dirent.h>
#include <cerrno>
#include <vector>

namespace sharedfs {
namespace {

/** An open directory and where its reader is. */
struct Directory {
  DIR* stream;
  off_t position;
};

Directory* directory_of(const fuse_file_info* info) {
  return reinterpret_cast<Directory*>(info->fh);
}

void close_directory(Directory* directory) {
  closedir(directory->stream);
  delete directory;
}

}  // namespace

/** Network file systems have no such request: reading the directory is what the server hears of.
 */
void Passthrough::Operations::opendir(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
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

void Passthrough::Operations::readdir(fuse_req_t request, fuse_ino_t number, std::size_t size,
                                      off_t offset, fuse_file_info* info) {
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

void Passthrough::Operations::releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  close_directory(directory_of(info));
  fuse_reply_err(request, 0);
}

}  // namespace sharedfs
