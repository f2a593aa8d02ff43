#pragma once

#define FUSE_USE_VERSION 312

#include "inode_table.h"
#include "request_log.h"
#include "server_queue.h"

#include <fuse_lowlevel.h>
#include <string>

namespace sharedfs {

/** What requests cost and what clients may keep. */
struct Model {
  /** Nanoseconds of the server for each request that is no read or write. */
  std::int64_t metadata_ns = 0;
  /** Nanoseconds of the server for each read or write, beside its bytes. */
  std::int64_t read_ns = 0;
  /** Nanoseconds of the server for each byte read or written. */
  double byte_ns = 0;
  /** How long clients believe names (also names that do not exist) and attributes; 0: no cache, of
   * pages neither. */
  double cache_seconds = 0;
};

/** A directory as a FUSE file system of one client node: each request goes through the server, then
 * to the directory. */
class Passthrough {
 public:
  /** @param root an open directory, with O_PATH; owned from now on */
  Passthrough(int root, const Model& model, ServerQueue& queue, RequestLog& log);

  /** For fuse_session_new, whose user data has to be the object. */
  static const fuse_lowlevel_ops& operations();

 private:
  struct Operations;

  Inode* inode(fuse_ino_t number) {
    return number == FUSE_ROOT_ID ? root_ : reinterpret_cast<Inode*>(number);
  }
  bool caching() const { return model_.cache_seconds > 0; }

  /** Has the server do one request of the calling client, and counts it. */
  void serve(fuse_req_t request, Kind kind, const std::string& path, std::uint64_t bytes = 0);

  /** Finds a name and counts the kernel's lookup. @return 0 or an errno */
  int look_up(Inode* parent, const char* name, fuse_entry_param* entry);
  void reply_entry(fuse_req_t request, const fuse_entry_param& entry);
  /** Notes that the client has just been told a file's attributes. */
  void told_attributes(Inode* inode) const;
  /** Whether the client has attributes of a file that it still believes. */
  static bool has_attributes(const Inode* inode);
  /** The page cache outlives a close if the file did not change and clients may cache. */
  void opened(Inode* inode, int fd, fuse_file_info* info);

  InodeTable inodes_;
  Inode* root_;
  const Model model_;
  ServerQueue& queue_;
  RequestLog& log_;
};

}  // namespace sharedfs
