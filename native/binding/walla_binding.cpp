#include "walla_binding.h"

#include <memory>
#include <string>
#include <vector>

#include "../src/extract.h"
#include "../src/freshness_check.h"
#include "addon_data.h"
#include "arguments.h"
#include "errors.h"
#include "v8_functions.h"
#include "walla_binding_image.h"
#include "walla_binding_staging.h"
#include "walla_binding_stand_in.h"

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

Napi::Value elfBytesOf(const Napi::CallbackInfo& info) {
  return numberOf(info.Env(), elfBytes(NativeImage::treeOf(info.Env(), info[0]).image()));
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

constexpr napi_type_tag kCheckTag = {0x71d9c2f4a8064e3bULL, 0x8c55e9021fb6d7a4ULL};

Napi::Value beginCheck(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object given = info[2].As<Napi::Object>();
  FreshnessOptions options;
  options.threads = given.Get("threads").As<Napi::Number>().Uint32Value();
  options.limit = bytesOf(given.Get("limit"));
  options.followLinks = given.Get("followLinks").ToBoolean();
  options.locksOnly = given.Get("locksOnly").ToBoolean();
  options.exceptPackages = given.Get("exceptPackages").ToBoolean();
  options.exceptZips = given.Get("exceptZips").ToBoolean();
  auto check =
      std::make_unique<FreshnessCheck>(fdArgument(info, 0), stringArgument(info, 1), options);
  auto external = Napi::External<FreshnessCheck>::New(
      env, check.get(), [](Napi::Env, FreshnessCheck* held) { delete held; });
  check.release();
  external.TypeTag(&kCheckTag);
  return external;
}

Napi::Value finishCheck(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsExternal() ||
      !info[0].As<Napi::External<FreshnessCheck>>().CheckTypeTag(&kCheckTag))
    throw Napi::TypeError::New(env, "finishFreshCheck: a check is expected");
  const auto [found, milliseconds] = info[0].As<Napi::External<FreshnessCheck>>().Data()->finish();
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
  result.Set("ms", Napi::Number::New(env, milliseconds));
  result.Set("differences", differences);
  return result;
}

Napi::Value programLoads(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), tellV8ProgramLoads());
}

Napi::Value v8CodeTag(const Napi::CallbackInfo& info) {
  const std::optional<uint32_t> tag = walla::v8CodeTag();
  return tag ? Napi::Number::New(info.Env(), *tag) : info.Env().Undefined();
}

}  // namespace

void exportCore(Napi::Env env, Napi::Object exports) {
  AddonData* data = new AddonData;
  env.SetInstanceData(data);
  data->imageConstructor = Napi::Persistent(NativeImage::define(env));
  exports.Set("openImage", Napi::Function::New<guarded<openImage>>(env));
  exports.Set("extractElf", Napi::Function::New<guarded<extract>>(env));
  exports.Set("elfBytes", Napi::Function::New<guarded<elfBytesOf>>(env));
  exports.Set("materialize", Napi::Function::New<guarded<materializeEntry>>(env));
  exports.Set("beginFreshCheck", Napi::Function::New<guarded<beginCheck>>(env));
  exports.Set("finishFreshCheck", Napi::Function::New<guarded<finishCheck>>(env));
  exports.Set("programLoads", Napi::Function::New<guarded<programLoads>>(env));
  exports.Set("v8CodeTag", Napi::Function::New<guarded<v8CodeTag>>(env));
  exportStaging(env, exports);
  exportStandIn(env, exports);
}

}  // namespace walla
