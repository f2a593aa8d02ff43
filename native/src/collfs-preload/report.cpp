#include "report.h"

#include <limits.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace walla::preload {

void report(int rank, const char* code, const char* message, const char* hint) {
  char host[HOST_NAME_MAX + 1] = "?";
  gethostname(host, sizeof host - 1);
  char place[HOST_NAME_MAX + 32];
  if (rank < 0) {
    snprintf(place, sizeof place, "%s", host);
  } else {
    snprintf(place, sizeof place, "rank %d@%s", rank, host);
  }
  char text[4096];
  const int bytes = snprintf(text, sizeof text, "collfs: [%s] %s: %s\n%s%s%s", place, code, message,
                             hint[0] == '\0' ? "" : "hint: ", hint, hint[0] == '\0' ? "" : "\n");
  if (bytes <= 0) return;
  const auto whole = static_cast<std::size_t>(bytes);
  const std::size_t kept = whole < sizeof text ? whole : sizeof text - 1;
  // A message that cannot be written is lost.
  if (write(STDERR_FILENO, text, kept) < 0) return;
}

bool speaksForAll() {
  for (const char* const name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    const char* const rank = getenv(name);
    if (rank != nullptr) return strcmp(rank, "0") == 0;
  }
  return true;
}

}  // namespace walla::preload
