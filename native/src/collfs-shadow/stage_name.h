#pragma once

#include <climits>
#include <cstddef>

// Names as the audit library sees them. It is loaded into every process, into a namespace of its
// own, so it does without libstdc++, exceptions and the heap.

namespace walla::shadow {

struct Name {
  char text[PATH_MAX];
  std::size_t length = 0;

  /// @returns false when there is no room
  bool append(const char* from, std::size_t bytes);
  bool append(const char* from);
  void cut(std::size_t to);
};

/// An absolute name without `.`, `..` and repeated slashes, by its letters alone: links are not
/// followed. A relative one starts at `directory`. @returns false when it is too long
bool cleanName(const char* name, const char* directory, Name& clean);

/// True when `path`, clean, is one of the directories in `list` (with colons between), or below
/// one.
bool isBelow(const char* path, const char* list);

/// Puts `$ORIGIN` and `${ORIGIN}` at the start of `entry` in place.
/// @returns false when it does not fit, or when another `$` is left, which only the linker knows
bool expandOrigin(const char* entry, std::size_t bytes, const char* origin, Name& expanded);

}  // namespace walla::shadow
