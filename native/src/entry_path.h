#pragma once

#include <string_view>

namespace walla {

/// True for a path that may be used below a directory without leaving it: relative, not empty, no
/// empty component, no '.' or '..', no NUL, not too long or too deep. Paths of an index are to be
/// asked this before a file is made from them.
bool isSafeEntryPath(std::string_view path) noexcept;

}  // namespace walla
