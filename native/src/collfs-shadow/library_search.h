#pragma once

#include <link.h>

#include "stage_lookup.h"

namespace walla::shadow {

/// Does the dynamic linker's search for a library's bare name, as far as it can be done with the
/// stage: the program's RPATH, LD_LIBRARY_PATH, the RUNPATH of `loader`, and for libc's libraries
/// the directory of libc. The linker itself asks the shared file system for each of their
/// directories and its variants for other processors, from every process.
/// @returns the library's name with its directory, in `found`; or `name` where the linker has to
/// search: not found, or a library with RPATH, `$LIB` or a variant for some processor is in play
const char* searchLibrary(const Stage& stage, const char* name, const link_map* loader,
                          Name& found);

}  // namespace walla::shadow
