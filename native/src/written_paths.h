#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace walla {

/// Notes a path that some thread of this process is about to write to. Any number of threads may
/// call.
void noteWritten(std::string path);

/// Paths noted by any thread, in order, without the first `known`.
std::vector<std::string> writtenAfter(size_t known);

}  // namespace walla
