#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "unique_fd.h"

namespace walla {

// Files and directories that only this user can touch, in places where everybody may write, such as
// /dev/shm: nothing is opened through a link that another user may have planted, and what is opened
// is checked afterwards, on the descriptor.

/// Opens a directory, never through a link in its last component.
/// @param directoryFd what a relative path starts from, or AT_FDCWD
/// @param create make it, with mode 0700 whatever the umask, if it does not exist
/// @throws PosixError; EPERM when it is not owned by the effective user or others can access it
UniqueFd openPrivateDirectory(int directoryFd, std::string_view path, bool create);

/// Gives a directory that was just made with mode 0700 that mode, whatever the umask took.
/// @param pathFd opened with O_PATH, which needs no permission on the directory itself
void undoUmask(int pathFd);

enum class OpenHow {
  create,  // must not exist
  write,   // must exist
  read,    // must exist
  open,    // made if it does not exist
};

/// Opens a regular file of mode 0600 for reading, and but for `read` for writing too.
/// @returns an invalid descriptor when a file that must exist does not
/// @throws PosixError; EPERM as above
UniqueFd openPrivateFile(int directoryFd, std::string_view name, OpenHow how);

/// Makes such a file that has these bytes.
/// @throws PosixError; EEXIST when it is there already
void writePrivateFile(int directoryFd, std::string_view name, std::string_view bytes);

void renameInside(int directoryFd, std::string_view from, std::string_view to);

/// Removes a file or a whole tree without following links. Absent is fine.
void removeTree(int directoryFd, std::string_view name);

/// Names in a directory, unsorted, without . and ..
std::vector<std::string> listNames(int directoryFd);

/// True while the open file stands under this name.
bool isSameFile(int fd, int directoryFd, std::string_view name);

/// The name as one component, ready for a system call.
/// @throws PosixError EINVAL when it is empty, '.', '..', or holds a slash or a NUL
std::string oneName(std::string_view name);

}  // namespace walla
