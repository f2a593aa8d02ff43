// An end to calls of MPI that have none: MPI_Init and blocking collectives wait for ever for a rank
// that is stopped.
#pragma once

#include <chrono>
#include <string>

namespace walla::mpi {

/// Sets when this process is to give up; each call replaces the one before. Unless `unwatch` comes
/// first, another thread then writes `report` to stderr and ends this process with status 1, which
/// makes the launcher end the job.
/// @param serverFd -1, or the socket of a PMI server that does not end the job for an exit status:
///   it is told to. Hydra's does not, where the other ranks are on other nodes.
void watch(std::chrono::milliseconds patience, std::string report, int serverFd);

void unwatch();

}  // namespace walla::mpi
