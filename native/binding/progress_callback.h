#pragma once

#include <napi.h>

#include <optional>

#include "../src/progress_teller.h"

namespace walla {

/// A JavaScript function that is told how far a transfer has come, on the thread that called for
/// it. What it throws is kept until the transfer is over: other ranks may take part in it, and
/// would wait for one that left.
class ProgressCallback {
 public:
  /// @param function undefined: nobody wants to know
  explicit ProgressCallback(Napi::Value function) : function_(function) {
    if (!function.IsFunction()) return;
    tell_ = [this](std::int64_t doneBytes) {
      if (thrown_) return;
      const Napi::HandleScope scope(function_.Env());
      try {
        function_.As<Napi::Function>().Call(
            {Napi::Number::New(function_.Env(), double(doneBytes))});
      } catch (const Napi::Error& error) {
        thrown_ = error;
      }
    };
  }
  ProgressCallback(const ProgressCallback&) = delete;
  ProgressCallback& operator=(const ProgressCallback&) = delete;

  const TellProgress& tell() const { return tell_; }

  /// After the transfer.
  void rethrow() const {
    if (thrown_) throw *thrown_;
  }

 private:
  Napi::Value function_;
  TellProgress tell_;
  std::optional<Napi::Error> thrown_;
};

}  // namespace walla
