// mpi-<abi>-<machine>.node: MPI for Node.js, and the core too, so that a rank opens one file.
// Arguments arrive checked by native/communicator.ts; this file only converts. Errors carry `code`
// (ERR_WALLA_MPI, ERR_WALLA_TRANSFER), and what is known beside it: `mpiClass`, or `errno`,
// `syscall` and `rank`.

#include <napi.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "../src/mpi/broadcast_file.h"
#include "../src/mpi/check.h"
#include "../src/mpi/communicator.h"
#include "../src/mpi/environment.h"
#include "../src/mpi/roll_call.h"
#include "../src/mpi/watch.h"
#include "../src/server_socket.h"
#include "addon_data.h"
#include "progress_callback.h"
#include "walla_binding.h"

namespace {

using walla::mpi::Communicator;

Napi::Error errorWithCode(Napi::Env env, const char* code, const char* message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

/// Runs `body` and turns what it throws into a JavaScript error.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const walla::mpi::MpiError& failure) {
    Napi::Error error = errorWithCode(env, "ERR_WALLA_MPI", failure.what());
    error.Set("mpiClass", Napi::Number::New(env, failure.errorClass()));
    throw error;
  } catch (const walla::mpi::TransferError& failure) {
    Napi::Error error = errorWithCode(env, "ERR_WALLA_TRANSFER", failure.what());
    // Negative, as everywhere in Node.js.
    error.Set("errno", Napi::Number::New(env, -failure.errorNumber()));
    error.Set("syscall", Napi::String::New(env, failure.syscall()));
    error.Set("rank", Napi::Number::New(env, failure.rank()));
    throw error;
  } catch (const walla::mpi::RollCallError& failure) {
    Napi::Error error = errorWithCode(env, "ERR_WALLA_TIMEOUT", failure.what());
    auto absent = Napi::Array::New(env, failure.absent().size());
    for (std::size_t i = 0; i < failure.absent().size(); ++i) {
      absent.Set(std::uint32_t(i), Napi::Number::New(env, failure.absent()[i]));
    }
    error.Set("absent", absent);
    throw error;
  } catch (const std::exception& failure) {
    throw errorWithCode(env, "ERR_WALLA_MPI", failure.what());
  }
}

class CommunicatorObject : public Napi::ObjectWrap<CommunicatorObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeCommunicator",
                       {InstanceAccessor<&CommunicatorObject::rank>("rank"),
                        InstanceAccessor<&CommunicatorObject::size>("size"),
                        InstanceAccessor<&CommunicatorObject::handle>("handle"),
                        InstanceMethod<&CommunicatorObject::barrier>("barrier"),
                        InstanceMethod<&CommunicatorObject::bcast>("bcast"),
                        InstanceMethod<&CommunicatorObject::allreduce>("allreduce"),
                        InstanceMethod<&CommunicatorObject::agree>("agree"),
                        InstanceMethod<&CommunicatorObject::gather>("gather"),
                        InstanceMethod<&CommunicatorObject::allgather>("allgather"),
                        InstanceMethod<&CommunicatorObject::split>("split"),
                        InstanceMethod<&CommunicatorObject::splitByNode>("splitByNode"),
                        InstanceMethod<&CommunicatorObject::broadcastFile>("broadcastFile"),
                        InstanceMethod<&CommunicatorObject::free>("free")});
  }

  static Napi::Value make(Napi::Env env, Communicator&& comm);

  explicit CommunicatorObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<CommunicatorObject>(info) {}

  // MPI_Comm_free is collective and the garbage collector is not: an object that was not freed by
  // hand leaves its communicator to MPI_Finalize.
  ~CommunicatorObject() override {
    if (comm_) comm_->forget();
  }

 private:
  const Communicator& comm() const {
    walla::mpi::requireUsable();
    if (!comm_) throw std::runtime_error("this communicator has been freed");
    return *comm_;
  }

  Napi::Value rank(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), rank_); }
  Napi::Value size(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), size_); }

  /// For other addons of this MPI: what MPI_Comm_f2c takes.
  Napi::Value handle(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      return Napi::Number::New(info.Env(), double(MPI_Comm_c2f(comm().handle())));
    });
  }

  void barrier(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { comm().barrier(info[0].ToBoolean()); });
  }

  void bcast(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      auto bytes = info[0].As<Napi::Uint8Array>();
      comm().bcast(bytes.Data(), std::int64_t(bytes.ByteLength()),
                   info[1].As<Napi::Number>().Int32Value());
    });
  }

  void allreduce(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      auto values = info[0].As<Napi::TypedArray>();
      const std::string name = info[1].As<Napi::String>();
      const bool patient = info[2].ToBoolean();
      const auto op = name == "min"   ? walla::mpi::Op::kMin
                      : name == "max" ? walla::mpi::Op::kMax
                                      : walla::mpi::Op::kSum;
      const auto count = std::int64_t(values.ElementLength());
      if (values.TypedArrayType() == napi_float64_array) {
        comm().allreduce(values.As<Napi::Float64Array>().Data(), count, op, patient);
      } else if (values.TypedArrayType() == napi_bigint64_array) {
        comm().allreduce(values.As<Napi::BigInt64Array>().Data(), count, op, patient);
      } else {
        throw std::invalid_argument("allreduce takes a Float64Array or a BigInt64Array");
      }
    });
  }

  void agree(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      auto values = info[0].As<Napi::Float64Array>();
      comm().agree(values.Data(), int(values.ElementLength()),
                   info[1].As<Napi::Number>().Int64Value());
    });
  }

  Napi::Value gather(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      auto bytes = info[0].As<Napi::Uint8Array>();
      const int root = info[1].As<Napi::Number>().Int32Value();
      auto pieces = comm().gather(bytes.Data(), std::int64_t(bytes.ByteLength()), root);
      if (rank_ != root) return info.Env().Undefined();
      return buffers(info.Env(), pieces);
    });
  }

  Napi::Value allgather(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      auto bytes = info[0].As<Napi::Uint8Array>();
      auto pieces = comm().allgather(bytes.Data(), std::int64_t(bytes.ByteLength()));
      return buffers(info.Env(), pieces);
    });
  }

  Napi::Value split(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      std::optional<int> color;
      if (!info[0].IsUndefined()) color = info[0].As<Napi::Number>().Int32Value();
      auto part = comm().split(color, info[1].As<Napi::Number>().Int32Value());
      if (!part) return info.Env().Undefined();
      return make(info.Env(), std::move(*part));
    });
  }

  Napi::Value splitByNode(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] { return make(info.Env(), comm().splitByNode()); });
  }

  Napi::Value broadcastFile(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      auto options = info[0].As<Napi::Object>();
      const auto number = [&](const char* name) {
        return options.Get(name).As<Napi::Number>().Int64Value();
      };
      walla::mpi::FileBroadcast transfer;
      transfer.root = int(number("root"));
      transfer.sourceFd = int(number("sourceFd"));
      transfer.targetFd = int(number("targetFd"));
      transfer.bytes = number("bytes");
      transfer.hashFrom = number("hashFrom");
      transfer.chunkBytes = number("chunkBytes");
      const walla::ProgressCallback progress(options.Get("onProgress"));
      transfer.tell = progress.tell();
      const std::string digest = walla::mpi::broadcastFile(comm(), transfer);
      progress.rethrow();
      return Napi::String::New(info.Env(), digest);
    });
  }

  void free(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      if (!comm_) return;
      walla::mpi::requireUsable();
      comm_->free();
      comm_.reset();
    });
  }

  static Napi::Value buffers(Napi::Env env, walla::mpi::Pieces& pieces) {
    auto list = Napi::Array::New(env, pieces.count());
    for (std::size_t i = 0; i < pieces.count(); ++i) {
      list.Set(std::uint32_t(i),
               Napi::Buffer<std::uint8_t>::Copy(env, pieces.data(i), pieces.size(i)));
    }
    return list;
  }

  std::optional<Communicator> comm_;
  int rank_ = 0;
  int size_ = 1;
};

/// Per environment: the class, and the one object that stands for all ranks.
struct Instance {
  Napi::FunctionReference constructor;
  Napi::ObjectReference world;
};

Instance& instanceOf(Napi::Env env) {
  return *static_cast<Instance*>(env.GetInstanceData<walla::AddonData>()->mpi.get());
}

Napi::Value CommunicatorObject::make(Napi::Env env, Communicator&& comm) {
  Napi::Object object = instanceOf(env).constructor.New({});
  CommunicatorObject* self = Unwrap(object);
  self->rank_ = comm.rank();
  self->size_ = comm.size();
  self->comm_.emplace(std::move(comm));
  return object;
}

Napi::Value initialize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const auto& environment = walla::mpi::initialize();
    auto result = Napi::Object::New(env);
    result.Set("initializedHere", Napi::Boolean::New(env, environment.initializedHere));
    result.Set("threadLevel", Napi::String::New(env, environment.threadLevel));
    result.Set("library", Napi::String::New(env, environment.library));
    return result;
  });
}

Napi::Value world(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    walla::mpi::requireUsable();
    Instance& instance = instanceOf(env);
    if (instance.world.IsEmpty()) {
      auto object = CommunicatorObject::make(env, Communicator::duplicate(MPI_COMM_WORLD));
      instance.world = Napi::Persistent(object.As<Napi::Object>());
    }
    return instance.world.Value();
  });
}

Napi::Value isInitialized(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::Boolean::New(info.Env(), walla::mpi::isInitialized()); });
}

Napi::Value isFinalized(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::Boolean::New(info.Env(), walla::mpi::isFinalized()); });
}

void release(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [] { walla::mpi::release(); });
}

/// watch(milliseconds, report, serverFd); 0 ends it.
void watch(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const std::int64_t patienceMs = info[0].As<Napi::Number>().Int64Value();
    if (patienceMs <= 0) {
      walla::mpi::unwatch();
    } else {
      walla::mpi::watch(std::chrono::milliseconds(patienceMs), info[1].As<Napi::String>(),
                        info[2].As<Napi::Number>().Int32Value());
    }
  });
}

Napi::Value isServerGone(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            walla::isServerGone(info[0].As<Napi::Number>().Int32Value()));
}

void failQuietly(const Napi::CallbackInfo& /*info*/) { walla::mpi::failQuietly(); }

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto core = Napi::Object::New(env);
  walla::exportCore(env, core);
  exports.Set("core", core);
  env.GetInstanceData<walla::AddonData>()->mpi = std::make_shared<Instance>();
  instanceOf(env).constructor = Napi::Persistent(CommunicatorObject::define(env));
  exports.Set("initialize", Napi::Function::New<initialize>(env));
  exports.Set("world", Napi::Function::New<world>(env));
  exports.Set("isInitialized", Napi::Function::New<isInitialized>(env));
  exports.Set("isFinalized", Napi::Function::New<isFinalized>(env));
  exports.Set("release", Napi::Function::New<release>(env));
  exports.Set("watch", Napi::Function::New<watch>(env));
  exports.Set("isServerGone", Napi::Function::New<isServerGone>(env));
  exports.Set("failQuietly", Napi::Function::New<failQuietly>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(walla_mpi, init)
