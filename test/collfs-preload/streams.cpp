// A library that opens files by the streams of C++. Says where they come from: a stream has no
// descriptor that could be asked for, so the one it takes is looked for among all.
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <string>

extern "C" int opener(const char* path) {
  const int next = dup(0);
  close(next);
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line != "contents") return -1;
  for (int fd = next; fd < next + 16; ++fd) {
    char link[64] = "";
    const std::string name = "/proc/self/fd/" + std::to_string(fd);
    if (readlink(name.c_str(), link, sizeof link - 1) < 0) continue;
    const std::string target = link;
    if (target != path && target.find("memfd:collfs") == std::string::npos) continue;
    if (lseek(fd, 0, SEEK_CUR) == 0) continue;  // not the one that was read
    const int same = dup(fd);
    lseek(same, 0, SEEK_SET);
    return same;
  }
  return -1;
}
