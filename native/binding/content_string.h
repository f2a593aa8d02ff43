#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace walla {

/// A JavaScript string of `bytes` bytes of UTF-8; invalid bytes become U+FFFD.
/// @param ascii says that all bytes are below 128. The string may then point to `data`, which must
///   live as long as the process.
/// @throws Napi::Error ERR_STRING_TOO_LONG
Napi::Value contentString(Napi::Env env, const uint8_t* data, uint64_t bytes, bool ascii);

}  // namespace walla
