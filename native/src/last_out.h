#pragma once

#include <string>

namespace walla {

/// Registers an image for removal when this process ends: by then all JavaScript has run. The last
/// process that holds the image's lock removes it, whatever the order in which processes end; a
/// process that is killed does not come here, and the next job on the node sweeps instead.
/// @param directory absolute path of the image's directory, <base>/walla-<uid>/<identity>
/// @param lockFd this process's open, shared-locked descriptor of the `lock` file in it; stays open
void removeAtExit(const std::string& directory, int lockFd);

/// What removeAtExit runs. Never throws; never waits for long.
/// @returns whether the image was removed
bool removeIfLast(const std::string& directory, int lockFd) noexcept;

}  // namespace walla
