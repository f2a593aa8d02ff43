#include "library_search.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace walla::shadow {
namespace {

/// The dynamic section's string for a tag, or null.
const char* dynamicString(const link_map* object, ElfW(Sxword) tag) {
  if (object->l_ld == nullptr) return nullptr;
  const char* strings = nullptr;
  const ElfW(Dyn)* wanted = nullptr;
  for (const ElfW(Dyn)* entry = object->l_ld; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == tag) wanted = entry;
    if (entry->d_tag != DT_STRTAB) continue;
    // Relocated, but where the section cannot be written.
    const ElfW(Addr) at = entry->d_un.d_ptr;
    strings = reinterpret_cast<const char*>(at < object->l_addr ? at + object->l_addr : at);
  }
  return wanted == nullptr || strings == nullptr ? nullptr : strings + wanted->d_un.d_val;
}

const link_map* firstOf(const link_map* object) {
  while (object->l_prev != nullptr) object = object->l_prev;
  return object;
}

/// RPATH is inherited from loader to loader, which the public link map does not tell. All inherit
/// that of the program, which comes first.
bool anyLibraryHasRpath(const link_map* program) {
  for (const link_map* one = program->l_next; one != nullptr; one = one->l_next) {
    if (dynamicString(one, DT_RPATH) != nullptr && dynamicString(one, DT_RUNPATH) == nullptr) {
      return true;
    }
  }
  return false;
}

bool originOf(const link_map* object, Name& origin) {
  origin.cut(0);
  if (object->l_name[0] == '\0') {
    const ssize_t bytes = readlink("/proc/self/exe", origin.text, sizeof origin.text - 1);
    if (bytes < 0) return false;
    origin.cut(static_cast<std::size_t>(bytes));
  } else if (!origin.append(object->l_name)) {
    return false;
  }
  const char* last = strrchr(origin.text, '/');
  if (last == nullptr) return false;
  origin.cut(static_cast<std::size_t>(last - origin.text));
  return true;
}

enum class Outcome { found, absent, unknown };

Outcome tryDirectory(const Stage& stage, const char* library, Name& directory) {
  const std::size_t length = directory.length;
  if (length == 0 || directory.text[0] != '/') return Outcome::unknown;
  for (const char* variants : {"/glibc-hwcaps", "/tls", "/haswell", "/avx512_1", "/x86_64"}) {
    if (!directory.append(variants)) return Outcome::unknown;
    if (presenceOf(stage, directory.text) != Presence::absent) return Outcome::unknown;
    directory.cut(length);
  }
  if (!directory.append("/") || !directory.append(library)) return Outcome::unknown;
  switch (presenceOf(stage, directory.text)) {
    case Presence::present:
      return Outcome::found;
    case Presence::absent:
      return Outcome::absent;
    default:
      return Outcome::unknown;
  }
}

Outcome tryList(const Stage& stage, const char* library, const char* list, const char* separators,
                const char* origin, Name& found) {
  for (;;) {
    const std::size_t bytes = strcspn(list, separators);
    if (!expandOrigin(list, bytes, origin, found)) return Outcome::unknown;
    const Outcome outcome = tryDirectory(stage, library, found);
    if (outcome != Outcome::absent) return outcome;
    if (list[bytes] == '\0') return Outcome::absent;
    list += bytes + 1;
  }
}

/// One of libc's own libraries: it has to be of the same build, and so lies in the same directory.
bool isOfLibc(const char* name) {
  for (const char* one :
       {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"}) {
    if (strcmp(name, one) == 0) return true;
  }
  return false;
}

bool directoryOfLibc(Name& directory) {
  Dl_info libc;
  directory.cut(0);
  if (dladdr(reinterpret_cast<const void*>(&getenv), &libc) == 0 || libc.dli_fname == nullptr) {
    return false;
  }
  const char* last = strrchr(libc.dli_fname, '/');
  return last != nullptr &&
         directory.append(libc.dli_fname, static_cast<std::size_t>(last - libc.dli_fname));
}

Outcome search(const Stage& stage, const char* name, const link_map* loader, Name& found) {
  const link_map* program = firstOf(loader);
  Name origin;
  if (anyLibraryHasRpath(program)) return Outcome::unknown;
  const char* runpath = dynamicString(loader, DT_RUNPATH);
  const char* rpath = runpath != nullptr ? nullptr : dynamicString(program, DT_RPATH);
  if (dynamicString(program, DT_RUNPATH) != nullptr) rpath = nullptr;
  Outcome outcome = Outcome::absent;
  if (rpath != nullptr) {
    if (!originOf(program, origin)) return Outcome::unknown;
    outcome = tryList(stage, name, rpath, ":", origin.text, found);
  }
  const char* fromUser = getenv("LD_LIBRARY_PATH");
  if (outcome == Outcome::absent && fromUser != nullptr && fromUser[0] != '\0') {
    if (!originOf(program, origin)) return Outcome::unknown;
    outcome = tryList(stage, name, fromUser, ":;", origin.text, found);
  }
  if (outcome == Outcome::absent && runpath != nullptr) {
    if (!originOf(loader, origin)) return Outcome::unknown;
    outcome = tryList(stage, name, runpath, ":", origin.text, found);
  }
  if (outcome == Outcome::absent && isOfLibc(name) && directoryOfLibc(found)) {
    outcome = tryDirectory(stage, name, found);
  }
  return outcome;
}

}  // namespace

const char* searchLibrary(const Stage& stage, const char* name, const link_map* loader,
                          Name& found) {
  if (loader == nullptr) return name;
  return search(stage, name, loader, found) == Outcome::found ? found.text : name;
}

}  // namespace walla::shadow
