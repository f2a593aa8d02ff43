// walla.node, the native core that needs no MPI; native/addon.ts says what each function does.
// Any number of threads may load it: what belongs to one JavaScript environment is its AddonData.

#include <napi.h>

#include <string>
#include <vector>

#include "../src/extract.h"
#include "../src/freshness.h"
#include "addon_data.h"
#include "arguments.h"
#include "errors.h"
#include "walla_binding_image.h"
#include "walla_binding_staging.h"

namespace walla {

namespace {

Napi::Value openImage(const Napi::CallbackInfo& info) {
  const Napi::Array list = info[1].As<Napi::Array>();
  std::vector<std::string> roots;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    roots.emplace_back(Utf8Argument(info.Env(), list.Get(i)).text());
  }
  return NativeImage::open(info.Env(), fdArgument(info, 0), std::move(roots));
}

Napi::Value extract(const Napi::CallbackInfo& info) {
  const PackedTree& tree = NativeImage::treeOf(info.Env(), info[0]);
  const Extracted written = extractElf(tree.image(), fdArgument(info, 1));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("files", numberOf(info.Env(), written.files));
  result.Set("bytes", numberOf(info.Env(), written.bytes));
  return result;
}

Napi::Value materializeEntry(const Napi::CallbackInfo& info) {
  const PackedTree& tree = NativeImage::treeOf(info.Env(), info[0]);
  materialize(tree.image(), info[1].As<Napi::Number>().Uint32Value(), fdArgument(info, 2));
  return info.Env().Undefined();
}

const char* nameOf(Difference::Reason reason) {
  switch (reason) {
    case Difference::Reason::added:
      return "added";
    case Difference::Reason::removed:
      return "removed";
    default:
      return "changed";
  }
}

Napi::Value compareTree(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const PackedTree& tree = NativeImage::treeOf(env, info[0]);
  const Freshness found =
      checkFresh(tree.image(), stringArgument(info, 1), info[2].As<Napi::Number>().Uint32Value(),
                 bytesArgument(info, 3));
  Napi::Array differences = Napi::Array::New(env, found.differences.size());
  for (uint32_t i = 0; i < found.differences.size(); ++i) {
    const Napi::HandleScope scope(env);
    Napi::Object difference = Napi::Object::New(env);
    difference.Set("path", Napi::String::New(env, found.differences[i].path));
    difference.Set("reason", Napi::String::New(env, nameOf(found.differences[i].reason)));
    differences.Set(i, difference);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("compared", numberOf(env, found.compared));
  result.Set("differences", differences);
  return result;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  AddonData* data = new AddonData;
  env.SetInstanceData(data);
  data->imageConstructor = Napi::Persistent(NativeImage::define(env));
  exports.Set("openImage", Napi::Function::New<guarded<openImage>>(env));
  exports.Set("extractElf", Napi::Function::New<guarded<extract>>(env));
  exports.Set("materialize", Napi::Function::New<guarded<materializeEntry>>(env));
  exports.Set("checkFresh", Napi::Function::New<guarded<compareTree>>(env));
  exportStaging(env, exports);
  return exports;
}

}  // namespace

}  // namespace walla

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  return walla::initialize(env, exports);
}

NODE_API_MODULE(walla, initialize)
