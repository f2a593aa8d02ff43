#pragma once

#include <cstdint>
#include <optional>

/// What V8 has and Node-API has no name for.
namespace walla {

/// Tells V8 that the calling thread's program is loading. Until it has allocated a good part more
/// than V8's limit, and for 7 seconds at most (`Heap::kMaxLoadTimeMs` of v8/src/heap/heap.h), V8
/// then does not look for garbage in the old generation, of which a program that loads has little.
/// V8 expects embedders that never tell it of the end.
/// @returns whether this V8 can be told
bool tellV8ProgramLoads();

/// What V8's code caches depend on, its version and flags: `v8.cachedDataVersionTag()`, without the
/// streams that `node:v8` loads. Nothing where this V8 cannot be asked.
std::optional<uint32_t> v8CodeTag();

}  // namespace walla
