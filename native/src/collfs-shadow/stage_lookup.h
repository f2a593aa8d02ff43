#pragma once

#include "stage_name.h"

namespace walla::shadow {

/// The stage of this node: a directory that only this user can touch, in which the directories of
/// `paths` lie as they do on the shared file system, with links to copies in memory for files.
struct Stage {
  const char* directory;
  const char* paths;
};

/// From COLLFS_STAGE and COLLFS_PATHS. @returns false without a stage, or with one that another
/// user could have made or changed
bool findStage(Stage& stage);

/// The name on the shared file system of what lies in the stage under `name`; else `name` itself.
const char* originalName(const Stage& stage, const char* name);

/// What to open in place of `name`: itself, a copy on this node, or, where the shared file system
/// has no such file, a name in the stage that does not exist either. Asks only this node.
/// @returns `name`, or a string in `buffer`
const char* redirect(const Stage& stage, const char* name, Name& buffer);

enum class Presence { absent, present, unknown };

/// Whether there is a file of this name: below the stage's paths as the stage has it, elsewhere as
/// the file system says.
Presence presenceOf(const Stage& stage, const char* name);

}  // namespace walla::shadow
