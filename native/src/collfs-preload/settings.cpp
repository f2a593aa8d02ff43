#include "settings.h"

#include <cstdlib>
#include <cstring>

namespace walla::preload {
namespace {

const char* valueOf(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr && value[0] != '\0' ? value : nullptr;
}

bool readNumber(const char* name, double largest, double& number) {
  const char* const value = valueOf(name);
  if (value == nullptr) return true;
  char* end = nullptr;
  const double parsed = strtod(value, &end);
  if (*end != '\0' || !(parsed >= 0 && parsed <= largest)) return false;
  number = parsed;
  return true;
}

bool readInteger(const char* name, int largest, int& number) {
  double parsed = number;
  if (!readNumber(name, largest, parsed) || parsed != static_cast<int>(parsed)) return false;
  number = static_cast<int>(parsed);
  return true;
}

bool readSwitch(const char* name, bool& on) {
  int number = on ? 1 : 0;
  if (!readInteger(name, 1, number)) return false;
  on = number == 1;
  return true;
}

bool readPush(bool& world) {
  const char* const value = valueOf("COLLFS_PUSH");
  if (value == nullptr) return true;
  world = strcmp(value, "world") == 0;
  return world || strcmp(value, "program") == 0;
}

}  // namespace

const char* readSettings(Settings& settings) {
  settings.paths = valueOf("COLLFS_PATHS");
  settings.callers = valueOf("COLLFS_CALLERS");
  constexpr int kMillion = 1'000'000;
  if (!readInteger("COLLFS_ROOT", 1'000 * kMillion, settings.root)) return "COLLFS_ROOT";
  if (!readNumber("COLLFS_TIMEOUT", kMillion, settings.timeoutSeconds)) return "COLLFS_TIMEOUT";
  if (!readSwitch("COLLFS_CHECKED", settings.checked)) return "COLLFS_CHECKED";
  if (!readSwitch("COLLFS_CACHE", settings.cache)) return "COLLFS_CACHE";
  if (!readSwitch("COLLFS_COUNTERS", settings.counters)) return "COLLFS_COUNTERS";
  if (!readInteger("COLLFS_DEBUG", 2, settings.debugLevel)) return "COLLFS_DEBUG";
  return readPush(settings.pushesWorld) ? nullptr : "COLLFS_PUSH";
}

}  // namespace walla::preload
