#include "call_stack.h"

#include <fnmatch.h>
#include <link.h>
#include <signal.h>
#include <unistd.h>
#include <unwind.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "../collfs-shadow/stage_name.h"

namespace walla::preload {
namespace {

enum class Kind { own, mpi, transparent, chosen };

/// A library that matters, as it is mapped now.
struct Range {
  std::uintptr_t start;
  std::uintptr_t end;
  Kind kind;
  bool holds(std::uintptr_t address) const { return address >= start && address < end; }
};

// All of it is used by the one thread that makes collective calls.
constexpr std::size_t kMostRanges = 512;
Range ranges[kMostRanges];
std::size_t rangeCount = 0;
/// How often libraries had been loaded and unloaded when the ranges were looked up.
unsigned long long loaded = 0;
unsigned long long unloaded = 0;

const char* callerList = nullptr;
std::uintptr_t mpiAddress = 0;
/// Of the program, which the linker knows without a name.
shadow::Name program;

/// Libraries that open files for those who call them: the run-time systems of C++ and Fortran, and
/// libc in its glob.
bool opensForOthers(const char* base) {
  for (const char* const one :
       {"libc.so", "libstdc++.so", "libc++.so", "libgfortran.so", "libflang.so"}) {
    if (strncmp(base, one, strlen(one)) == 0) return true;
  }
  return false;
}

/// One of COLLFS_CALLERS: the name of a library, with or without its version, a pattern for such
/// names, or, with a slash in it, a pattern for whole paths.
bool matches(const char* pattern, const char* path, const char* base) {
  if (strchr(pattern, '/') != nullptr) return fnmatch(pattern, path, 0) == 0;
  if (fnmatch(pattern, base, 0) == 0) return true;
  const std::size_t bytes = strlen(pattern);
  return strncmp(base, pattern, bytes) == 0 && base[bytes] == '.';
}

bool isChosen(const char* path, const char* base) {
  shadow::Name pattern;
  for (const char* at = callerList; *at != '\0';) {
    const std::size_t bytes = strcspn(at, ":");
    pattern.cut(0);
    if (bytes > 0 && pattern.append(at, bytes) && matches(pattern.text, path, base)) return true;
    at += bytes + (at[bytes] == ':' ? 1 : 0);
  }
  return false;
}

Range rangeOf(const dl_phdr_info& object) {
  Range range{UINTPTR_MAX, 0, Kind::chosen};
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t start = object.dlpi_addr + segment.p_vaddr;
    if (start < range.start) range.start = start;
    if (start + segment.p_memsz > range.end) range.end = start + segment.p_memsz;
  }
  return range;
}

void note(const dl_phdr_info& object) {
  Range range = rangeOf(object);
  const char* const path = object.dlpi_name[0] == '\0' ? program.text : object.dlpi_name;
  const char* const slash = strrchr(path, '/');
  const char* const base = slash == nullptr ? path : slash + 1;
  if (range.holds(reinterpret_cast<std::uintptr_t>(&isCallOfProgram))) {
    range.kind = Kind::own;
  } else if (range.holds(mpiAddress)) {
    range.kind = Kind::mpi;
  } else if (callerList == nullptr) {
    return;
  } else if (isChosen(path, base)) {
    range.kind = Kind::chosen;
  } else if (opensForOthers(base)) {
    range.kind = Kind::transparent;
  } else {
    return;
  }
  if (rangeCount < kMostRanges) ranges[rangeCount++] = range;
}

/// Looks at all objects again if any has come or gone.
int visit(dl_phdr_info* object, std::size_t, void* first) {
  bool& isFirst = *static_cast<bool*>(first);
  if (isFirst) {
    isFirst = false;
    if (rangeCount > 0 && object->dlpi_adds == loaded && object->dlpi_subs == unloaded) return 1;
    loaded = object->dlpi_adds;
    unloaded = object->dlpi_subs;
    rangeCount = 0;
  }
  note(*object);
  return 0;
}

const Range* rangeAt(std::uintptr_t address) {
  for (std::size_t i = 0; i < rangeCount; ++i) {
    if (ranges[i].holds(address)) return &ranges[i];
  }
  return nullptr;
}

struct Walk {
  bool callerKnown = false;
  bool good = true;
};

_Unwind_Reason_Code step(_Unwind_Context* frame, void* data) {
  Walk& walk = *static_cast<Walk*>(data);
  int interrupted = 0;
  std::uintptr_t address = _Unwind_GetIPInfo(frame, &interrupted);
  // A return address may be that of the next function, or of nothing. Where a signal came in, it is
  // the address of an instruction.
  if (interrupted == 0) --address;
  const Range* const range = rangeAt(address);
  if (interrupted != 0 || (range != nullptr && range->kind == Kind::mpi)) {
    walk.good = false;
    return _URC_END_OF_STACK;
  }
  const bool passesOn =
      range != nullptr && (range->kind == Kind::own || range->kind == Kind::transparent);
  if (!walk.callerKnown && !passesOn) {
    walk.callerKnown = true;
    if (callerList != nullptr && range == nullptr) {
      walk.good = false;
      return _URC_END_OF_STACK;
    }
  }
  return _URC_NO_REASON;
}

_Unwind_Reason_Code stepToHandler(_Unwind_Context* frame, void* found) {
  int interrupted = 0;
  _Unwind_GetIPInfo(frame, &interrupted);
  if (interrupted == 0) return _URC_NO_REASON;
  *static_cast<bool*>(found) = true;
  return _URC_END_OF_STACK;
}

}  // namespace

void setCallers(const char* callers, const void* ofMpi) {
  callerList = callers;
  mpiAddress = reinterpret_cast<std::uintptr_t>(ofMpi);
  const ssize_t bytes = readlink("/proc/self/exe", program.text, sizeof program.text - 1);
  program.cut(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  rangeCount = 0;
}

bool isCallOfProgram() {
  bool first = true;
  dl_iterate_phdr(visit, &first);
  Walk walk;
  _Unwind_Backtrace(step, &walk);
  return walk.good;
}

bool isInSignalHandler() {
  bool found = false;
  _Unwind_Backtrace(stepToHandler, &found);
  return found;
}

}  // namespace walla::preload
