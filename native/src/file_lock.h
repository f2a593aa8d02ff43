#pragma once

namespace walla {

enum class LockMode { shared, exclusive, unlock };

/// Takes, changes or drops the flock of an open file; the kernel drops it with the last descriptor
/// of that open file, so a process that dies holds nothing.
/// @returns false only when `wait` is false and another holder is in the way
/// @throws PosixError
bool lockFile(int fd, LockMode mode, bool wait);

}  // namespace walla
