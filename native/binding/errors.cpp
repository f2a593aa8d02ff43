#include "errors.h"

#include <cerrno>
#include <exception>
#include <new>

#include "../src/archive_damaged.h"
#include "../src/posix_error.h"

namespace walla {

Napi::Error makeError(Napi::Env env, std::string_view code, std::string_view message) {
  Napi::Error error = Napi::Error::New(env, std::string(message));
  error.Value().Set("code", Napi::String::New(env, code.data(), code.size()));
  return error;
}

void rethrowToJs(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error&) {
    throw;
  } catch (const PosixError& cause) {
    Napi::Error error = makeError(env, errnoName(cause.code()), cause.what());
    error.Value().Set("errno", Napi::Number::New(env, -cause.code()));
    error.Value().Set("syscall", Napi::String::New(env, cause.call()));
    throw error;
  } catch (const ArchiveDamaged& cause) {
    throw makeError(env, "ERR_WALLA_ARCHIVE_DAMAGED", cause.what());
  } catch (const std::bad_alloc&) {
    throw makeError(env, "ENOMEM", "ENOMEM: not enough memory in the native core");
  } catch (const std::exception& cause) {
    throw makeError(env, "ERR_WALLA_INTERNAL", cause.what());
  }
}

}  // namespace walla
