/* A library through which programs open files. */
#include <fcntl.h>

int opener(const char* path) {
  /* Not the last thing it does: it has to be there when the file is opened. */
  volatile int fd = open(path, O_RDONLY);
  return fd;
}
