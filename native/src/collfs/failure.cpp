#include "failure.h"

#include <limits.h>
#include <unistd.h>

namespace walla::collfs {

const char* nameOf(collfs_code code) {
  switch (code) {
    case COLLFS_OK:
      return "COLLFS_OK";
    case ERR_COLLFS_DIVERGED:
      return "ERR_COLLFS_DIVERGED";
    case ERR_COLLFS_TIMEOUT:
      return "ERR_COLLFS_TIMEOUT";
    case ERR_COLLFS_LOCAL:
      return "ERR_COLLFS_LOCAL";
    case ERR_COLLFS_TYPE:
      return "ERR_COLLFS_TYPE";
    case ERR_COLLFS_CHANGED:
      return "ERR_COLLFS_CHANGED";
    case ERR_COLLFS_THREAD:
      return "ERR_COLLFS_THREAD";
    case ERR_COLLFS_MPI:
      return "ERR_COLLFS_MPI";
    case ERR_COLLFS_STATE:
      return "ERR_COLLFS_STATE";
  }
  return "ERR_COLLFS_STATE";
}

const std::string& hostName() {
  static const std::string* const name = [] {
    char text[HOST_NAME_MAX + 1] = {};
    if (gethostname(text, sizeof text - 1) != 0 || text[0] == '\0') return new std::string("?");
    return new std::string(text);
  }();
  return *name;
}

}  // namespace walla::collfs
