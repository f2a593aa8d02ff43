#include <dlfcn.h>

#include <string>

#include "../src/utf8_decode.h"
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

/// V8's own decoder goes byte by byte: on a large program's sources it is the largest cost of
/// serving them. It gets what is not well-formed, for it knows where to put U+FFFD.
napi_status createFromUtf8(napi_env env, const uint8_t* data, uint64_t bytes, napi_value* result) {
  DecodedText text;
  if (!decodeUtf8(data, bytes, &text)) {
    return napi_create_string_utf8(env, reinterpret_cast<const char*>(data), bytes, result);
  }
  return text.latin1 ? napi_create_string_latin1(env, text.latin1.get(), text.length, result)
                     : napi_create_string_utf16(env, text.utf16.get(), text.length, result);
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
    status = createFromUtf8(env, data, bytes, &result);
  }
  if (status == napi_ok) return Napi::Value(env, result);
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) napi_get_and_clear_last_exception(env, &result);
  throw makeError(env, "ERR_STRING_TOO_LONG",
                  "Cannot create a string from " + std::to_string(bytes) + " bytes");
}

}  // namespace walla
