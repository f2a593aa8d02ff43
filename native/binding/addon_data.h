#pragma once

#include <napi.h>

namespace walla {

class PackedTree;

/// What one JavaScript environment (the main thread, or one worker) holds; freed with it.
struct AddonData {
  Napi::FunctionReference imageConstructor;
  /// The tree for the object that NativeImage::open is making; null otherwise.
  const PackedTree* pending = nullptr;
};

}  // namespace walla
