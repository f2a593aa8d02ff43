#pragma once

#include <napi.h>

#include <string_view>
#include <utility>

namespace walla {

/// Makes a JavaScript Error with a `code`.
Napi::Error makeError(Napi::Env env, std::string_view code, std::string_view message);

/// To be called in a catch block: throws what is being handled as a JavaScript error. A PosixError
/// gets `code` (errno name), `errno` (negative, as Node.js has it), `syscall`; ArchiveDamaged gets
/// ERR_WALLA_ARCHIVE_DAMAGED.
[[noreturn]] void rethrowToJs(Napi::Env env);

/// Runs a function so that no C++ exception but Napi::Error leaves it: anything else would end the
/// process inside Node.js.
template <typename Body>
auto withJsErrors(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    rethrowToJs(env);
  }
}

/// The same around a whole exported function; give `guarded<function>` to exports.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] { return function(info); });
}

}  // namespace walla
