#include "v8_functions.h"

#include <dlfcn.h>

namespace walla {

namespace {

/// A function of V8 that Node-API has no name for: null where this Node.js lacks it. A member
/// function that is not virtual takes its object as the first argument, in the C++ ABI of all
/// platforms that walla is built for.
template <typename Function>
Function* ofV8(const char* mangled) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, mangled));
}

/// `v8::PERFORMANCE_LOAD` of `enum RAILMode : unsigned` in v8-callbacks.h.
constexpr unsigned kPerformanceLoad = 3;

}  // namespace

bool tellV8ProgramLoads() {
  // v8::Isolate::GetCurrent()
  auto* const current = ofV8<void*()>("_ZN2v87Isolate10GetCurrentEv");
  if (current == nullptr) return false;
  // v8::Isolate::SetIsLoading(bool), and SetRAILMode(v8::RAILMode) before V8 13
  if (auto* const isLoading = ofV8<void(void*, bool)>("_ZN2v87Isolate12SetIsLoadingEb")) {
    isLoading(current(), true);
    return true;
  }
  if (auto* const railMode =
          ofV8<void(void*, unsigned)>("_ZN2v87Isolate11SetRAILModeENS_8RAILModeE")) {
    railMode(current(), kPerformanceLoad);
    return true;
  }
  return false;
}

std::optional<uint32_t> v8CodeTag() {
  // v8::ScriptCompiler::CachedDataVersionTag()
  auto* const tag = ofV8<uint32_t()>("_ZN2v814ScriptCompiler20CachedDataVersionTagEv");
  if (tag == nullptr) return std::nullopt;
  return tag();
}

}  // namespace walla
