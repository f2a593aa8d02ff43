#include "stage_name.h"

#include <cstring>
#include <initializer_list>

namespace walla::shadow {
namespace {

bool startsWith(const char* text, std::size_t bytes, const char* word) {
  const std::size_t length = strlen(word);
  return bytes >= length && memcmp(text, word, length) == 0;
}

/// Adds the components of `path` to a clean name.
bool addComponents(const char* path, Name& clean) {
  while (*path != '\0') {
    const std::size_t bytes = strcspn(path, "/");
    if (bytes == 2 && path[0] == '.' && path[1] == '.') {
      const char* last = strrchr(clean.text, '/');
      clean.cut(last == nullptr ? 0 : static_cast<std::size_t>(last - clean.text));
    } else if (bytes > 0 && !(bytes == 1 && path[0] == '.')) {
      if (!clean.append("/", 1) || !clean.append(path, bytes)) return false;
    }
    path += bytes;
    if (*path == '/') path++;
  }
  return true;
}

}  // namespace

bool Name::append(const char* from, std::size_t bytes) {
  if (bytes >= sizeof text - length) return false;
  memcpy(text + length, from, bytes);
  cut(length + bytes);
  return true;
}

bool Name::append(const char* from) { return append(from, strlen(from)); }

void Name::cut(std::size_t to) {
  length = to;
  text[length] = '\0';
}

bool cleanName(const char* name, const char* directory, Name& clean) {
  clean.cut(0);
  if (name[0] != '/' && !addComponents(directory, clean)) return false;
  return addComponents(name, clean);
}

bool isBelow(const char* path, const char* list) {
  while (*list != '\0') {
    std::size_t bytes = strcspn(list, ":");
    const char* next = list + bytes + (list[bytes] == ':' ? 1 : 0);
    while (bytes > 1 && list[bytes - 1] == '/') bytes--;
    const bool same = bytes > 0 && strncmp(path, list, bytes) == 0;
    if (same && (path[bytes] == '/' || path[bytes] == '\0')) return true;
    list = next;
  }
  return false;
}

bool expandOrigin(const char* entry, std::size_t bytes, const char* origin, Name& expanded) {
  expanded.cut(0);
  for (const char* token : {"$ORIGIN", "${ORIGIN}"}) {
    if (!startsWith(entry, bytes, token)) continue;
    const std::size_t length = strlen(token);
    if (!expanded.append(origin)) return false;
    entry += length;
    bytes -= length;
    break;
  }
  return memchr(entry, '$', bytes) == nullptr && expanded.append(entry, bytes);
}

}  // namespace walla::shadow
