#pragma once

#include <napi.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace walla {

/// The bytes of a JavaScript string, on the stack where they fit: lookups are too frequent for a
/// std::string each.
class Utf8Argument {
 public:
  /// @throws Napi::Error when the value is no string
  Utf8Argument(Napi::Env env, napi_value value) {
    size_t bytes = 0;
    check(env, napi_get_value_string_utf8(env, value, stack_, sizeof stack_, &bytes));
    text_ = {stack_, bytes};
    // A string that fills the buffer may have been cut; before a character of four bytes.
    if (bytes + 4 < sizeof stack_) return;
    check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &bytes));
    heap_.reset(new char[bytes + 1]);
    check(env, napi_get_value_string_utf8(env, value, heap_.get(), bytes + 1, &bytes));
    text_ = {heap_.get(), bytes};
  }
  Utf8Argument(const Utf8Argument&) = delete;
  Utf8Argument& operator=(const Utf8Argument&) = delete;

  std::string_view text() const noexcept { return text_; }

 private:
  static void check(Napi::Env env, napi_status status) {
    if (status != napi_ok) throw Napi::TypeError::New(env, "walla.node: a string is expected");
  }

  char stack_[4096];
  std::unique_ptr<char[]> heap_;
  std::string_view text_;
};

inline std::string stringArgument(const Napi::CallbackInfo& info, size_t position) {
  return std::string(Utf8Argument(info.Env(), info[position]).text());
}

inline int fdArgument(const Napi::CallbackInfo& info, size_t position) {
  return info[position].As<Napi::Number>().Int32Value();
}

/// Sizes, offsets and counts: JavaScript numbers are exact up to 2^53. What is negative or no
/// number becomes 0; Infinity is the largest.
inline uint64_t bytesOf(Napi::Value value) {
  const double bytes = value.As<Napi::Number>().DoubleValue();
  if (!(bytes > 0)) return 0;
  return bytes < 9007199254740992.0 ? static_cast<uint64_t>(bytes) : uint64_t{1} << 53;
}

inline uint64_t bytesArgument(const Napi::CallbackInfo& info, size_t position) {
  return bytesOf(info[position]);
}

inline Napi::Number numberOf(Napi::Env env, uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

}  // namespace walla
