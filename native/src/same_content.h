#pragma once

#include <cstdint>
#include <string>

namespace walla {

/// Whether a file, which has as many bytes as an archive has of it, has the same bytes.
/// @param archiveFd the packed bytes lie there from `offset` on
/// @param path relative to `directoryFd`
/// @param follow whether a link as the last name is followed
/// @returns false too where one of both cannot be read
bool isSameContent(int archiveFd, uint64_t offset, uint64_t bytes, int directoryFd,
                   const std::string& path, bool follow);

}  // namespace walla
