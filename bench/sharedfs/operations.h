#pragma once

#include "passthrough.h"

#include <string>

namespace sharedfs {

/** The callbacks of FUSE, which find the file system in the request. */
struct Passthrough::Operations {
  static Passthrough& self(fuse_req_t request) {
    return *static_cast<Passthrough*>(fuse_req_userdata(request));
  }

  static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name);
  static void forget(fuse_req_t request, fuse_ino_t number, std::uint64_t lookups);
  static void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets);
  static void getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*);
  static void setattr(fuse_req_t request, fuse_ino_t number, struct stat* wanted, int set,
                      fuse_file_info*);
  static void readlink(fuse_req_t request, fuse_ino_t number);
  static void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info);
  static void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
                     fuse_file_info* info);
  static void read(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset,
                   fuse_file_info* info);
  static void write(fuse_req_t request, fuse_ino_t number, const char* buffer, std::size_t size,
                    off_t offset, fuse_file_info* info);
  static void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info);
  static void fsync(fuse_req_t request, fuse_ino_t number, int, fuse_file_info* info);
  static void opendir(fuse_req_t request, fuse_ino_t number, fuse_file_info* info);
  static void readdir(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset,
                      fuse_file_info* info);
  static void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info);
  static void statfs(fuse_req_t request, fuse_ino_t number);
  static void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode);
  static void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name);
  static void link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char* name);
  static void unlink(fuse_req_t request, fuse_ino_t parent, const char* name);
  static void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name);
  static void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                     const char* new_name, unsigned flags);

 private:
  static void reply_attributes(fuse_req_t request, Passthrough& fs, Inode* inode);
  static void remove(fuse_req_t request, fuse_ino_t parent, const char* name, int flags);
  template <typename Make>
  static void make(fuse_req_t request, fuse_ino_t parent, const char* name, Make make_it);
};

/** By which an open file can be opened again, in another mode. */
std::string self_fd(int fd);
/** For the trace. */
std::string child(const Inode* parent, const char* name);

}  // namespace sharedfs
