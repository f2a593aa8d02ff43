// The contents of files, from root into the copies on all nodes: one pipelined stream of equal
// chunks, however large or many the files are.
//
// mpi::broadcastFile serves one file without holes, hashes it and maps the targets. Here there are
// many targets, only what is no hole is sent, and the targets are written rather than mapped: that
// saves clearing and faulting in every page of a new file.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "../mpi/communicator.h"
#include "exchange.h"
#include "source.h"

namespace walla::collfs {

/// Part of the stream, in the order of sending.
struct Segment {
  /// Which file, in the lists below.
  std::size_t file;
  std::int64_t offset;
  std::int64_t bytes;
};

struct Body {
  std::vector<Segment> segments;
  /// On root: what is read. Of the other files nothing is needed.
  std::vector<const Source*> sources;
  /// Where it is written, on every head. -1: nowhere, since this rank could not make the file.
  std::vector<int> targets;
};

/// What a transfer keeps its chunks in; a rank has it before it says that it is ready.
class TransferMemory {
 public:
  /// @throws std::bad_alloc
  TransferMemory();
  std::uint8_t* data() const { return memory_.get(); }

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
};

/// Collective over `heads`, of which the first is root. Sends all segments.
/// @returns what went wrong on this rank; a failure of root's reading ends the transfer on all, but
///   only root says so
Trouble transfer(const mpi::Communicator& heads, const Body& body, const TransferMemory& memory);

}  // namespace walla::collfs
