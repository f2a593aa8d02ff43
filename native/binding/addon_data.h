#pragma once

#include <napi.h>

#include <memory>

namespace walla {

class PackedTree;

/// What one JavaScript environment (the main thread, or one worker) holds; freed with it.
struct AddonData {
  Napi::FunctionReference imageConstructor;
  /// The tree for the object that NativeImage::open is making; null otherwise.
  const PackedTree* pending = nullptr;
  /// What mpi_binding.cpp holds, in the addons that have it.
  std::shared_ptr<void> mpi;
};

}  // namespace walla
