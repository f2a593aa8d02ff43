#include "walla_binding_image.h"

#include <string>
#include <utility>

#include "../src/archive_damaged.h"
#include "addon_data.h"
#include "arguments.h"
#include "content_string.h"
#include "errors.h"

namespace walla {

namespace {

constexpr napi_type_tag kTypeTag = {0x3e1c0d6f6a5b4b6cULL, 0x9a3f4f0f2b7d8e51ULL};

Napi::String stringOf(Napi::Env env, std::string_view text) {
  return Napi::String::New(env, text.data(), text.size());
}

Napi::Number entryOf(Napi::Env env, uint32_t entry) {
  return Napi::Number::New(env, entry == layout::kNone ? -1.0 : entry);
}

const PackedTree& takePending(Napi::Env env) {
  const PackedTree* pending = std::exchange(env.GetInstanceData<AddonData>()->pending, nullptr);
  if (pending == nullptr) throw Napi::TypeError::New(env, "NativeImage: use openImage()");
  return *pending;
}

}  // namespace

template <Napi::Value (NativeImage::*method)(const Napi::CallbackInfo&)>
Napi::Value NativeImage::guard(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] { return (this->*method)(info); });
}

Napi::Function NativeImage::define(Napi::Env env) {
#define WALLA_GETTER(name) \
  InstanceAccessor<&NativeImage::guard<&NativeImage::name>>(#name, napi_enumerable)
#define WALLA_METHOD(name) InstanceMethod<&NativeImage::guard<&NativeImage::name>>(#name)
  return DefineClass(
      env, "NativeImage",
      {WALLA_GETTER(imageBytes), WALLA_GETTER(entryCount), WALLA_GETTER(resolutionCount),
       WALLA_METHOD(find), WALLA_METHOD(resolve), WALLA_METHOD(resolution), WALLA_METHOD(path),
       WALLA_METHOD(format), WALLA_METHOD(flags), WALLA_METHOD(scope), WALLA_METHOD(text),
       WALLA_METHOD(bytes), WALLA_METHOD(stat), WALLA_METHOD(linkText), WALLA_METHOD(linkTarget),
       WALLA_METHOD(listing)});
#undef WALLA_METHOD
#undef WALLA_GETTER
}

Napi::Value NativeImage::open(Napi::Env env, int fd, std::vector<std::string> roots) {
  const PackedTree tree(MappedImage::open(fd), std::move(roots));
  AddonData* data = env.GetInstanceData<AddonData>();
  data->pending = &tree;
  return data->imageConstructor.New({});
}

NativeImage::NativeImage(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeImage>(info), tree_(takePending(info.Env())) {
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

const PackedTree& NativeImage::treeOf(Napi::Env env, Napi::Value value) {
  // Without the tag, another addon's object would be taken for one of ours.
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTypeTag)) {
    throw Napi::TypeError::New(env, "walla.node: a NativeImage is expected");
  }
  return Unwrap(value.As<Napi::Object>())->tree_;
}

Entry NativeImage::entryArgument(const Napi::CallbackInfo& info) const {
  const int64_t number = info[0].As<Napi::Number>().Int64Value();
  Entry entry;
  if (number < 0 || number >= index().entryCount() ||
      !index().entry(static_cast<uint32_t>(number), &entry)) {
    throw ArchiveDamaged("index: entry " + std::to_string(number) +
                         " is damaged or does not exist");
  }
  return entry;
}

Napi::Value NativeImage::imageBytes(const Napi::CallbackInfo& info) {
  return numberOf(info.Env(), tree_.image().bytes());
}

Napi::Value NativeImage::entryCount(const Napi::CallbackInfo& info) {
  return numberOf(info.Env(), index().entryCount());
}

Napi::Value NativeImage::resolutionCount(const Napi::CallbackInfo& info) {
  return numberOf(info.Env(), index().resolutionCount());
}

Napi::Value NativeImage::find(const Napi::CallbackInfo& info) {
  const Utf8Argument path(info.Env(), info[0]);
  const bool follow = info[1].ToBoolean();
  return Napi::Number::New(info.Env(), static_cast<double>(tree_.find(path.text(), follow)));
}

Napi::Value NativeImage::resolve(const Napi::CallbackInfo& info) {
  const uint32_t kind = info[0].As<Napi::Number>().Uint32Value();
  const Utf8Argument parent(info.Env(), info[1]);
  const Utf8Argument specifier(info.Env(), info[2]);
  const int64_t found = tree_.resolve(static_cast<uint8_t>(kind), parent.text(), specifier.text());
  return Napi::Number::New(info.Env(), static_cast<double>(found));
}

Napi::Value NativeImage::resolution(const Napi::CallbackInfo& info) {
  const int64_t slot = info[0].As<Napi::Number>().Int64Value();
  Resolution resolution;
  if (slot < 0 || !index().resolution(static_cast<uint64_t>(slot), &resolution)) {
    throw ArchiveDamaged("index: resolution " + std::to_string(slot) +
                         " is damaged or does not exist");
  }
  Napi::Array result = Napi::Array::New(info.Env(), 3);
  result.Set(0u, Napi::Number::New(info.Env(), resolution.outcome));
  result.Set(1u, stringOf(info.Env(), resolution.text));
  result.Set(2u, entryOf(info.Env(), resolution.entry));
  return result;
}

Napi::Value NativeImage::path(const Napi::CallbackInfo& info) {
  return stringOf(info.Env(), tree_.absolute(entryArgument(info).path));
}

Napi::Value NativeImage::format(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), entryArgument(info).format);
}

Napi::Value NativeImage::flags(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), entryArgument(info).flags);
}

Napi::Value NativeImage::scope(const Napi::CallbackInfo& info) {
  Entry package;
  const bool known = index().entry(entryArgument(info).scope, &package);
  return stringOf(info.Env(), known ? tree_.absolute(package.path) : std::string());
}

Napi::Value NativeImage::text(const Napi::CallbackInfo& info) {
  const Entry entry = entryArgument(info);
  if (!entry.isFile()) throw ArchiveDamaged("index: content asked of what is no file");
  tree_.image().served(entry.size);
  return contentString(info.Env(), tree_.image().data(entry), entry.size,
                       entry.has(layout::kFlagAscii));
}

Napi::Value NativeImage::bytes(const Napi::CallbackInfo& info) {
  const Entry entry = entryArgument(info);
  if (!entry.isFile()) throw ArchiveDamaged("index: content asked of what is no file");
  tree_.image().served(entry.size);
  return Napi::Buffer<uint8_t>::Copy(info.Env(), tree_.image().data(entry), entry.size);
}

Napi::Value NativeImage::stat(const Napi::CallbackInfo& info) {
  const Entry entry = entryArgument(info);
  const bool fits = info[1].IsTypedArray() &&
                    info[1].As<Napi::TypedArray>().TypedArrayType() == napi_float64_array &&
                    info[1].As<Napi::TypedArray>().ElementLength() >= 4;
  if (!fits) throw Napi::TypeError::New(info.Env(), "stat: a Float64Array of 4 is expected");
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = entry.mtimeNs / kSecond;
  int64_t nanoseconds = entry.mtimeNs % kSecond;
  if (nanoseconds < 0) {
    nanoseconds += kSecond;
    --seconds;
  }
  double* out = info[1].As<Napi::Float64Array>().Data();
  out[0] = entry.mode;
  out[1] = static_cast<double>(entry.size);
  out[2] = static_cast<double>(seconds);
  out[3] = static_cast<double>(nanoseconds);
  return info.Env().Undefined();
}

Napi::Value NativeImage::linkText(const Napi::CallbackInfo& info) {
  return stringOf(info.Env(), entryArgument(info).linkText);
}

Napi::Value NativeImage::linkTarget(const Napi::CallbackInfo& info) {
  return entryOf(info.Env(), entryArgument(info).linkTarget);
}

Napi::Value NativeImage::listing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Entry entry = entryArgument(info);
  if (!entry.isDirectory() || !entry.has(layout::kFlagComplete)) return env.Undefined();
  Napi::Array names = Napi::Array::New(env, entry.listingCount);
  Napi::Uint8Array types = Napi::Uint8Array::New(env, entry.listingCount);
  uint8_t* type = types.Data();
  for (uint32_t i = 0; i < entry.listingCount; ++i) {
    ListingRecord record;
    if (!index().listing(entry.listingFirst + i, &record)) return env.Undefined();
    const Napi::HandleScope scope(env);
    names.Set(i, stringOf(env, record.name));
    type[i] = record.type;
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("names", names);
  result.Set("types", types);
  return result;
}

}  // namespace walla
