#pragma once

#include <mpi.h>

namespace walla::mpi {

/// Completes a request. Patient: tests and sleeps in turn from the start, up to 2 ms at a time, so
/// that ranks that wait for another one's long work leave the cores to it. Otherwise as AnyWait
/// does: MPI_Wait spins for as long as it takes. Whether a rank waits patiently is its own choice.
void wait(MPI_Request& request, bool patient);

}  // namespace walla::mpi
