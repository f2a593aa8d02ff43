#pragma once

#include <cstdint>
#include <vector>

#include "../unique_fd.h"
#include "found.h"
#include "level.h"

namespace walla::collfs {

/// Remembers the first thing that goes wrong on this rank.
void note(Trouble& trouble, int errorNumber);

/// The copies that a node's head makes of files whose contents come after root's answer.
class NodeCopies {
 public:
  /// Makes `count` files to be filled; -1 stands for one that cannot be made. @returns what went
  /// wrong
  Trouble make(std::uint32_t count);
  /// Makes the only one of a file that was there beforehand.
  Trouble take(UniqueFd writable);

  std::size_t count() const { return copies_.size(); }
  /// Of the head; -1 for one that could not be made.
  int fd(std::size_t number) const { return copies_[number].get(); }

  /// Fills and seals them all; collective over heads.
  /// @param found those that are files have a copy each, in the same order
  /// @param sources on root: what is read, for each of `found`; else empty
  /// @param trouble what has gone wrong on this rank before: it takes part, and keeps nothing
  /// @returns what has gone wrong on this rank, and matters most
  Trouble fill(const Level& level, const std::vector<Found>& found,
               const std::vector<Source>& sources, Trouble trouble);

 private:
  std::vector<UniqueFd> copies_;
};

}  // namespace walla::collfs
