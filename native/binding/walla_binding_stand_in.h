#pragma once

#include <napi.h>

namespace walla {

/// Adds loadMpiStandIn of native/addon.ts to the addon's exports.
void exportStandIn(Napi::Env env, Napi::Object exports);

}  // namespace walla
