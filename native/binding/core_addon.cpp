// walla-<machine>.node: the core alone, for processes without MPI.

#include "walla_binding.h"

static Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  walla::exportCore(env, exports);
  return exports;
}

NODE_API_MODULE(walla, initialize)
