// collfs-<abi>.node: libcollfs for Node.js. Arguments arrive checked by native/collfs/; this file
// only converts. A call that fails throws an Error with `errno` (negative, as everywhere in
// Node.js), and with `collfs` {code, rank, message, hint} where libcollfs itself has something to
// report.

// No exception of C++ leaves: all become JavaScript's.
#define NODE_ADDON_API_CPP_EXCEPTIONS_ALL

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <mpi.h>
#include <napi.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../src/collfs/collfs.h"
#include "arguments.h"

namespace {

using walla::stringArgument;

/// What the error handler was told during the call under way.
struct Report {
  std::string code;
  int rank;
  std::string message;
  std::string hint;
};

std::optional<Report>& lastReport() {
  static auto* const report = new std::optional<Report>;
  return *report;
}

void keepReport(const collfs_error* error, void* /*data*/) {
  lastReport() = Report{error->name, error->rank, error->message, error->hint};
}

[[noreturn]] void throwFailure(Napi::Env env, int code) {
  Napi::Error error = Napi::Error::New(env, std::strerror(code));
  error.Set("errno", Napi::Number::New(env, -code));
  if (const auto& report = lastReport()) {
    auto details = Napi::Object::New(env);
    details.Set("code", report->code);
    details.Set("rank", report->rank);
    details.Set("message", report->message);
    details.Set("hint", report->hint);
    error.Set("collfs", details);
  }
  throw error;
}

/// Makes one call of libcollfs. @returns its result, which is not `failed`
template <typename Result, typename Body>
Result call(Napi::Env env, Result failed, Body body) {
  lastReport().reset();
  int finalized = 0;
  if (collfs_depth() > 0 && MPI_Finalized(&finalized) == MPI_SUCCESS && finalized != 0) {
    lastReport() = Report{"ERR_COLLFS_MPI", -1, "MPI is finalized, and a communicator still pushed",
                          "pop it before MPI ends"};
    throwFailure(env, EIO);
  }
  const Result result = body();
  const int code = errno;
  if (result == failed) throwFailure(env, code);
  return result;
}

/// A path: a string, or bytes for one that is not UTF-8.
std::string pathOf(Napi::Env env, Napi::Value value) {
  if (!value.IsTypedArray()) return std::string(walla::Utf8Argument(env, value).text());
  auto bytes = value.As<Napi::Uint8Array>();
  return std::string(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
}

std::string pathArgument(const Napi::CallbackInfo& info, std::size_t position) {
  return pathOf(info.Env(), info[position]);
}

int intArgument(const Napi::CallbackInfo& info, std::size_t position) {
  return info[position].As<Napi::Number>().Int32Value();
}

/// A list of paths as C has it.
class Paths {
 public:
  explicit Paths(const Napi::CallbackInfo& info) {
    auto list = info[0].As<Napi::Array>();
    for (std::uint32_t i = 0; i < list.Length(); ++i) {
      texts_.push_back(pathOf(info.Env(), list.Get(i)));
    }
    for (const std::string& text : texts_) pointers_.push_back(text.c_str());
  }

  std::size_t count() const { return texts_.size(); }
  const char* const* data() const { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME;
constexpr std::size_t kNumbers = 18;

/// In the order of native/collfs/stats.ts.
void putNumbers(const struct statx& s, std::int64_t* out) {
  const auto device = makedev(s.stx_dev_major, s.stx_dev_minor);
  const auto special = makedev(s.stx_rdev_major, s.stx_rdev_minor);
  const std::int64_t numbers[kNumbers] = {
      std::int64_t(device),
      s.stx_mode,
      s.stx_nlink,
      s.stx_uid,
      s.stx_gid,
      std::int64_t(special),
      s.stx_blksize,
      std::int64_t(s.stx_ino),
      std::int64_t(s.stx_size),
      std::int64_t(s.stx_blocks),
      s.stx_atime.tv_sec,
      s.stx_atime.tv_nsec,
      s.stx_mtime.tv_sec,
      s.stx_mtime.tv_nsec,
      s.stx_ctime.tv_sec,
      s.stx_ctime.tv_nsec,
      s.stx_btime.tv_sec,
      s.stx_btime.tv_nsec,
  };
  std::copy_n(numbers, kNumbers, out);
}

Napi::Value numbersOf(Napi::Env env, const struct statx& status) {
  auto numbers = Napi::BigInt64Array::New(env, kNumbers);
  putNumbers(status, numbers.Data());
  return numbers;
}

Napi::Value errorsOf(Napi::Env env, const std::vector<int>& errors) {
  auto array = Napi::Int32Array::New(env, errors.size());
  std::transform(errors.begin(), errors.end(), array.Data(), [](int code) { return -code; });
  return array;
}

void push(const Napi::CallbackInfo& info) {
  const MPI_Comm comm = MPI_Comm_f2c(MPI_Fint(intArgument(info, 0)));
  call(info.Env(), -1, [&] { return collfs_comm_push(comm, intArgument(info, 1)); });
}

void pop(const Napi::CallbackInfo& info) {
  call(info.Env(), -1, [] { return collfs_comm_pop(); });
}

void setRoot(const Napi::CallbackInfo& info) {
  call(info.Env(), -1, [&] { return collfs_set_root(intArgument(info, 0)); });
}

void setChecked(const Napi::CallbackInfo& info) { collfs_set_checked(info[0].ToBoolean() ? 1 : 0); }

void setTimeout(const Napi::CallbackInfo& info) {
  collfs_set_timeout(info[0].As<Napi::Number>().DoubleValue() / 1e3);
}

void setCache(const Napi::CallbackInfo& info) {
  call(info.Env(), -1, [&] { return collfs_set_cache(info[0].ToBoolean() ? 1 : 0); });
}

void dropCache(const Napi::CallbackInfo& info) {
  call(info.Env(), -1, [] { return collfs_cache_drop(); });
}

Napi::Value open(const Napi::CallbackInfo& info) {
  const std::string path = pathArgument(info, 0);
  const int flags = intArgument(info, 1) | O_CLOEXEC;
  const int fd = call(info.Env(), -1, [&] { return collfs_open(path.c_str(), flags); });
  return Napi::Number::New(info.Env(), fd);
}

/// @returns for each path a descriptor, or a negative errno
Napi::Value openMany(const Napi::CallbackInfo& info) {
  const Paths paths(info);
  const int flags = intArgument(info, 1) | O_CLOEXEC;
  std::vector<int> fds(paths.count());
  std::vector<int> errors(paths.count());
  call(info.Env(), ssize_t{-1}, [&] {
    return collfs_open_many(paths.count(), paths.data(), flags, fds.data(), errors.data());
  });
  auto result = Napi::Int32Array::New(info.Env(), fds.size());
  for (std::size_t i = 0; i < fds.size(); ++i) result[i] = errors[i] == 0 ? fds[i] : -errors[i];
  return result;
}

Napi::Value stat(const Napi::CallbackInfo& info) {
  const std::string path = pathArgument(info, 0);
  const int flags = info[1].ToBoolean() ? 0 : AT_SYMLINK_NOFOLLOW;
  struct statx status {};
  call(info.Env(), -1, [&] { return collfs_statx(AT_FDCWD, path.c_str(), flags, kMask, &status); });
  return numbersOf(info.Env(), status);
}

Napi::Value fstat(const Napi::CallbackInfo& info) {
  const int fd = intArgument(info, 0);
  struct statx status {};
  call(info.Env(), -1, [&] { return collfs_statx(fd, "", AT_EMPTY_PATH, kMask, &status); });
  return numbersOf(info.Env(), status);
}

Napi::Value statMany(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Paths paths(info);
  const int flags = info[1].ToBoolean() ? 0 : AT_SYMLINK_NOFOLLOW;
  std::vector<struct statx> statuses(paths.count());
  std::vector<int> errors(paths.count());
  call(env, ssize_t{-1}, [&] {
    return collfs_statx_many(paths.count(), paths.data(), flags, statuses.data(), errors.data());
  });
  auto numbers = Napi::BigInt64Array::New(env, kNumbers * paths.count());
  for (std::size_t i = 0; i < paths.count(); ++i) {
    putNumbers(statuses[i], numbers.Data() + i * kNumbers);
  }
  auto result = Napi::Object::New(env);
  result.Set("numbers", numbers);
  result.Set("errors", errorsOf(env, errors));
  return result;
}

void access(const Napi::CallbackInfo& info) {
  const std::string path = pathArgument(info, 0);
  call(info.Env(), -1, [&] { return collfs_access(path.c_str(), intArgument(info, 1)); });
}

Napi::Value readlink(const Napi::CallbackInfo& info) {
  const std::string path = pathArgument(info, 0);
  char target[PATH_MAX];
  const ssize_t bytes = call(info.Env(), ssize_t{-1},
                             [&] { return collfs_readlink(path.c_str(), target, sizeof target); });
  return Napi::Buffer<char>::Copy(info.Env(), target, std::size_t(bytes));
}

/// @returns {names, types}: names in the order of their bytes, as Node.js has them, each followed
/// by a NUL
Napi::Value readdir(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = pathArgument(info, 0);
  collfs_dir* const directory =
      call(env, static_cast<collfs_dir*>(nullptr), [&] { return collfs_opendir(path.c_str()); });
  const std::unique_ptr<collfs_dir, int (*)(collfs_dir*)> owner(directory, collfs_closedir);
  std::vector<std::pair<std::string, std::uint8_t>> entries;
  while (const dirent* const entry = collfs_readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") entries.emplace_back(name, entry->d_type);
  }
  std::sort(entries.begin(), entries.end());
  std::string names;
  auto types = Napi::Uint8Array::New(env, entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    names += entries[i].first + '\0';
    types[i] = entries[i].second;
  }
  auto result = Napi::Object::New(env);
  result.Set("names", Napi::Buffer<char>::Copy(env, names.data(), names.size()));
  result.Set("types", types);
  return result;
}

/// share(question, answer): the answer is used on root only
Napi::Value share(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string what = stringArgument(info, 0);
  auto own = info[1].As<Napi::Uint8Array>();
  void* answer = nullptr;
  std::size_t bytes = 0;
  call(env, -1,
       [&] { return collfs_share(what.c_str(), own.Data(), own.ByteLength(), &answer, &bytes); });
  const std::unique_ptr<void, void (*)(void*)> owner(answer, ::free);
  return Napi::Buffer<char>::Copy(env, static_cast<const char*>(answer), bytes);
}

void loadLibrary(const Napi::CallbackInfo& info) {
  const std::string path = pathArgument(info, 0);
  // Never closed: what needs it may stay as long.
  if (dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    throw Napi::Error::New(info.Env(), dlerror());
  }
}

Napi::Value isShared(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), collfs_is_shared(intArgument(info, 0)) != 0);
}

Napi::Value counters(const Napi::CallbackInfo& info) {
  std::string text(collfs_counters_json(nullptr, 0) + 1, '\0');
  // Nobody counts meanwhile but this thread.
  text.resize(collfs_counters_json(text.data(), text.size()));
  return Napi::String::New(info.Env(), text);
}

void resetCounters(const Napi::CallbackInfo& /*info*/) { collfs_counters_reset(); }

Napi::Object init(Napi::Env env, Napi::Object exports) {
  collfs_init(0, keepReport, nullptr);
  exports.Set("push", Napi::Function::New<push>(env));
  exports.Set("pop", Napi::Function::New<pop>(env));
  exports.Set("setRoot", Napi::Function::New<setRoot>(env));
  exports.Set("setChecked", Napi::Function::New<setChecked>(env));
  exports.Set("setTimeout", Napi::Function::New<setTimeout>(env));
  exports.Set("setCache", Napi::Function::New<setCache>(env));
  exports.Set("dropCache", Napi::Function::New<dropCache>(env));
  exports.Set("open", Napi::Function::New<open>(env));
  exports.Set("openMany", Napi::Function::New<openMany>(env));
  exports.Set("stat", Napi::Function::New<stat>(env));
  exports.Set("fstat", Napi::Function::New<fstat>(env));
  exports.Set("statMany", Napi::Function::New<statMany>(env));
  exports.Set("access", Napi::Function::New<access>(env));
  exports.Set("readlink", Napi::Function::New<readlink>(env));
  exports.Set("readdir", Napi::Function::New<readdir>(env));
  exports.Set("share", Napi::Function::New<share>(env));
  exports.Set("loadLibrary", Napi::Function::New<loadLibrary>(env));
  exports.Set("isShared", Napi::Function::New<isShared>(env));
  exports.Set("counters", Napi::Function::New<counters>(env));
  exports.Set("resetCounters", Napi::Function::New<resetCounters>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(walla_collfs, init)
