#pragma once

namespace walla::preload {

/// What the user asks for in the environment; docs/environment.md describes the variables.
struct Settings {
  /// With colons between; names are collective below one of them.
  const char* paths = nullptr;
  /// With colons between; null: calls from everywhere.
  const char* callers = nullptr;
  int root = 0;
  double timeoutSeconds = 60;
  bool checked = true;
  bool cache = false;
  /// Pushes MPI_COMM_WORLD when MPI is up; else the program pushes what it likes.
  bool pushesWorld = true;
  /// Prints the counters when MPI ends.
  bool counters = false;
  int debugLevel = 0;
};

/// @returns null, or the variable whose value cannot be understood
const char* readSettings(Settings& settings);

}  // namespace walla::preload
