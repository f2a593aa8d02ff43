// Faults on purpose, for tests of what must hold when they happen by themselves.
#pragma once

#include <cstdlib>

namespace walla {

/// WALLA_FAULT, or null as in every real job. Read once.
inline const char* faultPlan() {
  static const char* const plan = std::getenv("WALLA_FAULT");
  return plan;
}

/// Does what `plan` ("POINT:FAULT:RANK", see stage/fault.ts) asks for, if it means this point of
/// this rank: waits, stops or kills this process.
/// @returns the errno to fail with, or 0
int injectFault(const char* plan, const char* point);

/// A point at which a fault can be injected. Costs one comparison with null when there is none.
inline int faultAt(const char* point) {
  const char* const plan = faultPlan();
  return plan == nullptr ? 0 : injectFault(plan, point);
}

}  // namespace walla
