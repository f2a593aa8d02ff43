#include <dlfcn.h>

#include <string>

#include "content_string.h"
#include "errors.h"

namespace walla {

namespace {

// Below this, a copy costs less than V8's bookkeeping for an external string.
constexpr uint64_t kExternalBytes = 1024;

using CreateExternalLatin1 = napi_status (*)(napi_env env, char* text, size_t length,
                                             napi_finalize finalize, void* hint, napi_value* result,
                                             bool* copied);

/// Part of Node-API 10 and experimental before, with the same signature; so it is looked up by
/// name, and a Node.js without it still loads the addon.
CreateExternalLatin1 createExternalLatin1() {
  static const auto create = reinterpret_cast<CreateExternalLatin1>(
      dlsym(RTLD_DEFAULT, "node_api_create_external_string_latin1"));
  return create;
}

}  // namespace

Napi::Value contentString(Napi::Env env, const uint8_t* data, uint64_t bytes, bool ascii) {
  const char* text = reinterpret_cast<const char*>(data);
  napi_value result = nullptr;
  napi_status status;
  if (ascii && bytes >= kExternalBytes && createExternalLatin1() != nullptr) {
    bool copied;
    status = createExternalLatin1()(env, const_cast<char*>(text), bytes, nullptr, nullptr, &result,
                                    &copied);
  } else if (ascii) {
    status = napi_create_string_latin1(env, text, bytes, &result);
  } else {
    status = napi_create_string_utf8(env, text, bytes, &result);
  }
  if (status == napi_ok) return Napi::Value(env, result);
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) napi_get_and_clear_last_exception(env, &result);
  throw makeError(env, "ERR_STRING_TOO_LONG",
                  "Cannot create a string from " + std::to_string(bytes) + " bytes");
}

}  // namespace walla
