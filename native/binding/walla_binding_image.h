#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "../src/packed_tree.h"

namespace walla {

/// JavaScript's view of a mapped image; `NativeImage` of native/addon.ts says what each method
/// does. The image itself belongs to the process, so this object may go at any time.
class NativeImage : public Napi::ObjectWrap<NativeImage> {
 public:
  static Napi::Function define(Napi::Env env);
  /// @throws what MappedImage::open throws
  static Napi::Value open(Napi::Env env, int fd, std::vector<std::string> roots);
  /// The tree behind a value that came from JavaScript.
  /// @throws Napi::TypeError when it is another object
  static const PackedTree& treeOf(Napi::Env env, Napi::Value value);

  /// For JavaScript's `new`, which only open() may cause.
  explicit NativeImage(const Napi::CallbackInfo& info);

 private:
  template <Napi::Value (NativeImage::*method)(const Napi::CallbackInfo&)>
  Napi::Value guard(const Napi::CallbackInfo& info);

  Napi::Value imageBytes(const Napi::CallbackInfo& info);
  Napi::Value entryCount(const Napi::CallbackInfo& info);
  Napi::Value resolutionCount(const Napi::CallbackInfo& info);
  Napi::Value find(const Napi::CallbackInfo& info);
  Napi::Value resolve(const Napi::CallbackInfo& info);
  Napi::Value resolution(const Napi::CallbackInfo& info);
  Napi::Value path(const Napi::CallbackInfo& info);
  Napi::Value format(const Napi::CallbackInfo& info);
  Napi::Value flags(const Napi::CallbackInfo& info);
  Napi::Value scope(const Napi::CallbackInfo& info);
  Napi::Value text(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value stat(const Napi::CallbackInfo& info);
  Napi::Value linkText(const Napi::CallbackInfo& info);
  Napi::Value linkTarget(const Napi::CallbackInfo& info);
  Napi::Value listing(const Napi::CallbackInfo& info);

  /// The entry whose number is the first argument.
  /// @throws ArchiveDamaged when there is none
  Entry entryArgument(const Napi::CallbackInfo& info) const;
  const Index& index() const { return tree_.index(); }

  PackedTree tree_;
};

}  // namespace walla
