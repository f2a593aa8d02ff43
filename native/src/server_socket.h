#pragma once

namespace walla {

/// Whether the process manager has closed its end of the socket in PMI_FD, as it does when a
/// program of this rank finalizes MPI: no later program of the rank can initialize it.
bool isServerGone(int fd);

}  // namespace walla
