#pragma once

#include <napi.h>

namespace walla {

/// Adds the functions of native/addon.ts that work on descriptors to the addon's exports.
void exportStaging(Napi::Env env, Napi::Object exports);

}  // namespace walla
