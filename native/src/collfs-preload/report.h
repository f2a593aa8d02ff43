#pragma once

namespace walla::preload {

/// Prints a failure to standard error, in one piece:
///     collfs: [rank 3@nid001] CODE: MESSAGE
///     hint: HINT
/// @param rank -1 before there are any
void report(int rank, const char* code, const char* message, const char* hint);

/// Whether this is the rank that speaks for all before MPI has told which one it is, as far as the
/// launcher's variables tell.
bool speaksForAll();

}  // namespace walla::preload
