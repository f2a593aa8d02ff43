#include "server_socket.h"

#include <sys/socket.h>

namespace walla {

bool isServerGone(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

}  // namespace walla
