#pragma once

namespace walla::preload {

/// Who may make collective calls.
/// @param callers as COLLFS_CALLERS, or null; outlives the process
/// @param ofMpi an address in the MPI library
void setCallers(const char* callers, const void* ofMpi);

/// Whether the current call of an interposed function comes from a chosen library, and neither from
/// a signal handler nor from underneath a function of MPI, which could not stand a call of MPI in
/// its midst. Looks at the call stack, as far as it can be unwound. Allocates nothing. For the one
/// thread that makes collective calls.
bool isCallOfProgram();

/// Whether a signal handler is at work in this thread. Any thread.
bool isInSignalHandler();

}  // namespace walla::preload
