#include "walla_binding_stand_in.h"

#include <chrono>
#include <memory>
#include <string>

#include "../src/mpi/watch.h"
#include "../src/mpi_stand_in.h"
#include "../src/server_socket.h"
#include "arguments.h"
#include "errors.h"

namespace walla {
namespace {

// What the objects call; lives to the end of the process, since MPI ends in an exit handler.
MpiStandIn* standIn = nullptr;

Napi::Value initialize(const Napi::CallbackInfo& info) {
  standIn->initialize();
  Napi::Object environment = Napi::Object::New(info.Env());
  environment.Set("library", "walla has no addon for it here");
  return environment;
}

Napi::Value agree(const Napi::CallbackInfo& info) {
  auto values = info[0].As<Napi::Float64Array>();
  standIn->least(values.Data(), static_cast<int>(values.ElementLength()));
  return info.Env().Undefined();
}

Napi::Value allreduce(const Napi::CallbackInfo& info) {
  auto values = info[0].As<Napi::Float64Array>();
  standIn->sum(values.Data(), static_cast<int>(values.ElementLength()));
  return info.Env().Undefined();
}

Napi::Value bcast(const Napi::CallbackInfo& info) {
  auto bytes = info[0].As<Napi::Uint8Array>();
  standIn->bcast(bytes.Data(), static_cast<int>(bytes.ByteLength()),
                 info[1].As<Napi::Number>().Int32Value());
  return info.Env().Undefined();
}

Napi::Value world(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  standIn->makeCommunicators();
  Napi::Object comm = Napi::Object::New(env);
  comm.Set("rank", Napi::Number::New(env, standIn->rank()));
  comm.Set("size", Napi::Number::New(env, standIn->size()));
  comm.Set("agree", Napi::Function::New<guarded<agree>>(env));
  comm.Set("allreduce", Napi::Function::New<guarded<allreduce>>(env));
  comm.Set("bcast", Napi::Function::New<guarded<bcast>>(env));
  return comm;
}

Napi::Value watch(const Napi::CallbackInfo& info) {
  const auto patienceMs = info[0].As<Napi::Number>().Int64Value();
  if (patienceMs <= 0) {
    mpi::unwatch();
  } else {
    mpi::watch(std::chrono::milliseconds(patienceMs), stringArgument(info, 1), fdArgument(info, 2));
  }
  return info.Env().Undefined();
}

Napi::Value serverGone(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), isServerGone(fdArgument(info, 0)));
}

Napi::Value failQuietly(const Napi::CallbackInfo& info) {
  standIn->failQuietly();
  return info.Env().Undefined();
}

Napi::Value loadMpiStandIn(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (standIn == nullptr) standIn = MpiStandIn::load(stringArgument(info, 0)).release();
  if (standIn == nullptr) return env.Undefined();
  Napi::Object addon = Napi::Object::New(env);
  addon.Set("initialize", Napi::Function::New<guarded<initialize>>(env));
  addon.Set("world", Napi::Function::New<guarded<world>>(env));
  addon.Set("watch", Napi::Function::New<guarded<watch>>(env));
  addon.Set("isServerGone", Napi::Function::New<guarded<serverGone>>(env));
  addon.Set("failQuietly", Napi::Function::New<guarded<failQuietly>>(env));
  return addon;
}

}  // namespace

void exportStandIn(Napi::Env env, Napi::Object exports) {
  exports.Set("loadMpiStandIn", Napi::Function::New<guarded<loadMpiStandIn>>(env));
}

}  // namespace walla
