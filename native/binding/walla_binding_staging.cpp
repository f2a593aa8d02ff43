#include "walla_binding_staging.h"

#include <fcntl.h>

#include <string>
#include <vector>

#include "../src/file_copy.h"
#include "../src/file_lock.h"
#include "../src/file_space.h"
#include "../src/last_out.h"
#include "../src/private_directory.h"
#include "../src/sha256.h"
#include "../src/written_paths.h"
#include "arguments.h"
#include "errors.h"
#include "progress_callback.h"

namespace walla {

namespace {

Napi::Value openDirectory(const Napi::CallbackInfo& info) {
  UniqueFd directory = openPrivateDirectory(AT_FDCWD, stringArgument(info, 0), info[1].ToBoolean());
  return Napi::Number::New(info.Env(), directory.release());
}

Napi::Value openDirectoryAt(const Napi::CallbackInfo& info) {
  // AT_FDCWD is a negative number too: a stray -1 must not come to mean anything.
  UniqueFd directory = openPrivateDirectory(fdArgument(info, 0), oneName(stringArgument(info, 1)),
                                            info[2].ToBoolean());
  return Napi::Number::New(info.Env(), directory.release());
}

Napi::Value openFileAt(const Napi::CallbackInfo& info) {
  const std::string how = stringArgument(info, 2);
  OpenHow mode;
  if (how == "create") {
    mode = OpenHow::create;
  } else if (how == "write") {
    mode = OpenHow::write;
  } else if (how == "read") {
    mode = OpenHow::read;
  } else if (how == "open") {
    mode = OpenHow::open;
  } else {
    throw Napi::TypeError::New(info.Env(), "openPrivateFileAt: unknown way to open: " + how);
  }
  UniqueFd file = openPrivateFile(fdArgument(info, 0), stringArgument(info, 1), mode);
  return Napi::Number::New(info.Env(), file.release());
}

Napi::Value writeFilesAt(const Napi::CallbackInfo& info) {
  const int directoryFd = fdArgument(info, 0);
  const Napi::Array names = info[1].As<Napi::Array>();
  const Napi::Array contents = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const Napi::HandleScope scope(info.Env());
    const Napi::Value content = contents.Get(i);
    if (!content.IsBuffer())
      throw Napi::TypeError::New(info.Env(), "writePrivateFilesAt: a Buffer is expected");
    const auto bytes = content.As<Napi::Buffer<char>>();
    writePrivateFile(directoryFd, Utf8Argument(info.Env(), names.Get(i)).text(),
                     {bytes.Data(), bytes.Length()});
  }
  return info.Env().Undefined();
}

Napi::Value closeFile(const Napi::CallbackInfo& info) {
  UniqueFd(fdArgument(info, 0)).reset();
  return info.Env().Undefined();
}

Napi::Value rename(const Napi::CallbackInfo& info) {
  renameInside(fdArgument(info, 0), stringArgument(info, 1), stringArgument(info, 2));
  return info.Env().Undefined();
}

Napi::Value remove(const Napi::CallbackInfo& info) {
  removeTree(fdArgument(info, 0), stringArgument(info, 1));
  return info.Env().Undefined();
}

Napi::Value arrayOf(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array result = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); ++i) result.Set(i, Napi::String::New(env, texts[i]));
  return result;
}

Napi::Value list(const Napi::CallbackInfo& info) {
  return arrayOf(info.Env(), listNames(fdArgument(info, 0)));
}

Napi::Value note(const Napi::CallbackInfo& info) {
  noteWritten(stringArgument(info, 0));
  return info.Env().Undefined();
}

Napi::Value written(const Napi::CallbackInfo& info) {
  const std::vector<std::string> paths = writtenAfter(info[0].As<Napi::Number>().Uint32Value());
  return paths.empty() ? info.Env().Undefined() : arrayOf(info.Env(), paths);
}

Napi::Value lock(const Napi::CallbackInfo& info) {
  const std::string name = stringArgument(info, 1);
  LockMode mode;
  if (name == "shared") {
    mode = LockMode::shared;
  } else if (name == "exclusive") {
    mode = LockMode::exclusive;
  } else if (name == "unlock") {
    mode = LockMode::unlock;
  } else {
    throw Napi::TypeError::New(info.Env(), "lock: unknown mode: " + name);
  }
  return Napi::Boolean::New(info.Env(), lockFile(fdArgument(info, 0), mode, info[2].ToBoolean()));
}

Napi::Value sameFile(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(
      info.Env(), isSameFile(fdArgument(info, 0), fdArgument(info, 1), stringArgument(info, 2)));
}

Napi::Value reserveBytes(const Napi::CallbackInfo& info) {
  reserve(fdArgument(info, 0), bytesArgument(info, 1));
  return info.Env().Undefined();
}

Napi::Value fileSystem(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const FileSystem found = fileSystemOf(fdArgument(info, 0));
  Napi::Object result = Napi::Object::New(env);
  result.Set("freeBytes", numberOf(env, found.freeBytes));
  result.Set("totalBytes", numberOf(env, found.totalBytes));
  result.Set("typeMagic", numberOf(env, found.typeMagic));
  result.Set("executable", Napi::Boolean::New(env, found.executable));
  return result;
}

Napi::Value copy(const Napi::CallbackInfo& info) {
  const ProgressCallback progress(info[4]);
  const std::string digest =
      copyFile(fdArgument(info, 0), fdArgument(info, 1), bytesArgument(info, 2),
               bytesArgument(info, 3), progress.tell());
  progress.rethrow();
  return Napi::String::New(info.Env(), digest);
}

Napi::Value registerRemoval(const Napi::CallbackInfo& info) {
  removeAtExit(stringArgument(info, 0), fdArgument(info, 1));
  return info.Env().Undefined();
}

Napi::Value hashBytes(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "sha256: takes a Uint8Array");
  const auto bytes = info[0].As<Napi::Uint8Array>();
  Sha256 hash;
  hash.update(bytes.Data(), bytes.ByteLength());
  return Napi::String::New(info.Env(), hash.finishHex());
}

Napi::Value hashFile(const Napi::CallbackInfo& info) {
  return Napi::String::New(
      info.Env(), digestFile(fdArgument(info, 0), bytesArgument(info, 1), bytesArgument(info, 2)));
}

}  // namespace

void exportStaging(Napi::Env env, Napi::Object exports) {
  exports.Set("openPrivateDirectory", Napi::Function::New<guarded<openDirectory>>(env));
  exports.Set("openPrivateDirectoryAt", Napi::Function::New<guarded<openDirectoryAt>>(env));
  exports.Set("openPrivateFileAt", Napi::Function::New<guarded<openFileAt>>(env));
  exports.Set("writePrivateFilesAt", Napi::Function::New<guarded<writeFilesAt>>(env));
  exports.Set("close", Napi::Function::New<guarded<closeFile>>(env));
  exports.Set("renameAt", Napi::Function::New<guarded<rename>>(env));
  exports.Set("removeTreeAt", Napi::Function::New<guarded<remove>>(env));
  exports.Set("listDirectory", Napi::Function::New<guarded<list>>(env));
  exports.Set("noteWritten", Napi::Function::New<guarded<note>>(env));
  exports.Set("writtenAfter", Napi::Function::New<guarded<written>>(env));
  exports.Set("lock", Napi::Function::New<guarded<lock>>(env));
  exports.Set("isSameFile", Napi::Function::New<guarded<sameFile>>(env));
  exports.Set("reserve", Napi::Function::New<guarded<reserveBytes>>(env));
  exports.Set("fileSystem", Napi::Function::New<guarded<fileSystem>>(env));
  exports.Set("copyFile", Napi::Function::New<guarded<copy>>(env));
  exports.Set("removeAtExit", Napi::Function::New<guarded<registerRemoval>>(env));
  exports.Set("sha256", Napi::Function::New<guarded<hashBytes>>(env));
  exports.Set("digestFile", Napi::Function::New<guarded<hashFile>>(env));
}

}  // namespace walla
