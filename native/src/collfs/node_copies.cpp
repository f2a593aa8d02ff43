#include "node_copies.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "body.h"
#include "node_copy.h"

namespace walla::collfs {
namespace {

/// From so much on, the memory of the node is asked for first.
constexpr std::int64_t kWorthAsking = std::int64_t{16} << 20;

}  // namespace

void note(Trouble& trouble, int errorNumber) {
  if (errorNumber == 0 || trouble.kind != Trouble::kNone) return;
  trouble.kind = Trouble::kLocal;
  trouble.errorNumber = errorNumber;
}

Trouble NodeCopies::make(std::uint32_t count) {
  Trouble trouble;
  for (std::uint32_t i = 0; i < count; ++i) {
    copies_.push_back(makeMemoryFile());
    if (!copies_.back().valid()) note(trouble, errno);
  }
  return trouble;
}

Trouble NodeCopies::take(UniqueFd writable) {
  Trouble trouble;
  copies_.push_back(std::move(writable));
  // The memory it was given for a small file.
  if (ftruncate(copies_[0].get(), 0) != 0) note(trouble, errno);
  return trouble;
}

Trouble NodeCopies::fill(const Level& level, const std::vector<Found>& found,
                         const std::vector<Source>& sources, Trouble trouble) {
  Body body;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i].isFile()) continue;
    const std::size_t copy = body.targets.size();
    for (const Extent& extent : found[i].extents) {
      body.segments.push_back({copy, extent.offset, extent.bytes});
      total += extent.bytes;
    }
    if (!sources.empty()) body.sources.push_back(&sources[i]);
    int target = copies_[copy].get();
    const auto size = static_cast<off_t>(found[i].status.stx_size);
    if (target >= 0 && ftruncate(target, size) != 0) {
      note(trouble, errno);
      target = -1;
    }
    body.targets.push_back(target);
  }
  if (total > kWorthAsking && availableMemory() < static_cast<std::uint64_t>(total)) {
    note(trouble, ENOMEM);
    for (int& target : body.targets) target = -1;
  }
  const Trouble sent = level.send(body);
  if (trouble.kind == Trouble::kNone || sent.kind > trouble.kind) trouble = sent;
  for (const UniqueFd& each : copies_) {
    if (each.valid()) note(trouble, seal(each.get()));
  }
  return trouble;
}

}  // namespace walla::collfs
