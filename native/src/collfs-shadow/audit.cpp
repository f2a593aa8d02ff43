// libcollfs-audit.so: what the dynamic linker loads from the stage's paths comes from this node.
//
// The linker loads it, from LD_AUDIT, into a namespace of its own before anything else, and asks it
// about each file that it is going to look for (man 7 rtld-audit). So this library talks to nobody:
// it only looks into a directory that collfs-stage has filled.
#include <link.h>

#include <cstring>

#include "library_search.h"
#include "stage_lookup.h"

using namespace walla::shadow;

namespace {

bool active = false;
Stage stage;
// The linker asks under its own lock, and uses an answer before it asks again.
Name found;
Name answer;

}  // namespace

extern "C" {

__attribute__((visibility("default"))) unsigned int la_version(unsigned int version) {
  active = findStage(stage);
  return version < LAV_CURRENT ? version : LAV_CURRENT;
}

__attribute__((visibility("default"))) char* la_objsearch(const char* name, uintptr_t* cookie,
                                                          unsigned int flag) {
  const char* result = name;
  if (active) {
    // The name as asked for. One with a slash is not asked about again.
    if (flag == LA_SER_ORIG && strchr(name, '/') == nullptr) {
      // A cookie starts as the address of the object's link map, and nobody changes it here.
      const auto* loader = reinterpret_cast<const link_map*>(*cookie);
      result = searchLibrary(stage, name, loader, found);
    }
    if (strchr(result, '/') != nullptr) result = redirect(stage, result, answer);
  }
  return const_cast<char*>(result);
}

__attribute__((visibility("default"))) unsigned int la_objopen(link_map* object, Lmid_t,
                                                               uintptr_t*) {
  // The object is called what it was found as. Programs look for files beside it (dladdr), and the
  // linker takes a name that it knows for the same object: it has to be the name on the shared file
  // system, which is the shorter one.
  const char* original = active ? originalName(stage, object->l_name) : object->l_name;
  if (original != object->l_name) memmove(object->l_name, original, strlen(original) + 1);
  // Calls between objects are not audited, and cost nothing.
  return 0;
}
}
