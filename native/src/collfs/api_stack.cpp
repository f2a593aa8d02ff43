// The functions of collfs.h on life, stack, settings and counters.

#include <algorithm>
#include <cstring>

#include "../mpi/environment.h"
#include "session.h"

using namespace walla::collfs;

extern "C" {

int collfs_init(int debug_level, collfs_error_handler handler, void* data) {
  initialize(debug_level, handler, data);
  return 0;
}

int collfs_finalize(void) {
  while (depth() > 0) {
    if (collfs_comm_pop() != 0) return -1;
  }
  return 0;
}

void collfs_set_error_handler(collfs_error_handler handler, void* data) {
  setHandler(handler, data);
}

void collfs_set_debug_level(int debug_level) { setDebugLevel(debug_level); }

const collfs_error* collfs_last_error(void) { return lastError(); }

void collfs_clear_error(void) { clearError(); }

int collfs_comm_push(MPI_Comm comm, int root) {
  return run(Operation::push, nullptr, -1, [&](Measure& measure) {
    measure.communicated();
    pushLevel(comm, root);
    return 0;
  });
}

int collfs_world_push(int root) {
  return run(Operation::push, nullptr, -1, [&](Measure& measure) {
    if (!walla::mpi::isInitialized()) walla::mpi::initialize();
    measure.communicated();
    pushLevel(MPI_COMM_WORLD, root);
    return 0;
  });
}

int collfs_comm_pop(void) {
  return run(Operation::pop, nullptr, -1, [&](Measure& measure) {
    measure.communicated();
    popLevel();
    return 0;
  });
}

int collfs_set_root(int root) {
  return run(Operation::setRoot, nullptr, -1, [&](Measure& measure) {
    Level& level = requireLevel(Operation::setRoot);
    measure.communicated();
    level.setRoot(root);
    return 0;
  });
}

int collfs_depth(void) { return static_cast<int>(depth()); }

int collfs_rank(void) {
  return topOr(0, [](const Level& level) { return level.rank(); });
}

int collfs_size(void) {
  return topOr(1, [](const Level& level) { return level.size(); });
}

int collfs_root(void) {
  return topOr(0, [](const Level& level) { return level.root(); });
}

int collfs_is_collective(void) { return isCollective() ? 1 : 0; }

void collfs_set_checked(int on) { setChecked(on != 0); }

void collfs_set_timeout(double seconds) { setTimeout(seconds); }

int collfs_set_cache(int on) {
  return run(Operation::setCache, nullptr, -1, [&](Measure&) {
    requireLevel(Operation::setCache).remembered().turn(on != 0);
    return 0;
  });
}

int collfs_cache_drop(void) {
  return run(Operation::cacheDrop, nullptr, -1, [&](Measure&) {
    requireLevel(Operation::cacheDrop).remembered().drop();
    return 0;
  });
}

size_t collfs_counters(collfs_counter* values, size_t count) {
  const auto all = counters();
  std::copy_n(all.begin(), std::min(count, all.size()), values);
  return all.size();
}

size_t collfs_counters_json(char* buffer, size_t bytes) {
  const std::string text = countersAsJson();
  if (bytes > 0) {
    const std::size_t kept = std::min(text.size(), bytes - 1);
    std::memcpy(buffer, text.data(), kept);
    buffer[kept] = '\0';
  }
  return text.size();
}

void collfs_counters_print(FILE* stream) { std::fputs(countersAsTable().c_str(), stream); }

void collfs_counters_reset(void) { resetCounters(); }

}  // extern "C"
