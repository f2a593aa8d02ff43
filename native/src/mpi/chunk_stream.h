// Chunks of a memory region on their way from root through two trees to the same place on every
// rank.
#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "communicator.h"
#include "two_trees.h"
#include "wait_any.h"

namespace walla::mpi {

/// Collective: every rank takes part with all chunks, even ones through the first tree and odd ones
/// through the second. Each rank gets every byte once, into its place, while it passes on what came
/// before. In each tree chunks come in their order; but a rank that stands high in one is a leaf of
/// the other, so if it did not take them as they come, each tree would wait for the whole depth of
/// the other. For the same reason no rank but root waits for a message to leave and nothing else:
/// two could wait for each other.
///
/// A rank sends two messages at a time: while one is under way the other is agreed upon with its
/// receiver. More would share the network, and each be passed on later.
///
/// The region must outlive this object.
class ChunkStream {
 public:
  /// Sends nothing yet.
  /// @throws std::bad_alloc
  ChunkStream(const Communicator& comm, int root, std::uint8_t* data, std::int64_t bytes,
              std::int64_t chunkBytes);
  ChunkStream(const ChunkStream&) = delete;
  ChunkStream& operator=(const ChunkStream&) = delete;
  /// Gives up what has not been waited for, as after an error of MPI.
  ~ChunkStream();

  /// Chunks that it makes room for before the first one has come.
  static constexpr std::int64_t kAhead = 4;
  std::int64_t chunks() const { return chunks_; }
  std::int64_t begin(std::int64_t chunk) const;
  std::int64_t end(std::int64_t chunk) const { return begin(chunk + 1); }

  /// Not on root: makes room for the first chunks.
  void start();

  struct Arrival {
    std::int64_t chunk;
    /// Root has sent nothing in its place.
    bool nothing;
  };
  /// Not on root: waits for one of the chunks that have not come yet.
  Arrival receive();
  /// Not on root: all bytes before have come.
  std::int64_t arrivedBytes() const;

  /// Passes a chunk, or nothing in its place, to the ranks below this one when their turn comes:
  /// now or during the next call.
  void send(const Arrival& arrival);
  /// Waits until everything has been sent but so many messages.
  void flush(std::size_t left = 0);

 private:
  /// Receives prepared in each tree: while one chunk comes, the next can be announced.
  static constexpr std::size_t kWindow = 2;
  static constexpr std::size_t kSends = 2;

  struct Message {
    Arrival what;
    int child;
  };

  void post(std::int64_t chunk);
  /// Begins the next message in the place of one that has been sent.
  void sendNext(MPI_Request& place);
  /// The next chunk of a tree.
  MPI_Request& headOf(std::size_t tree) {
    return receives_[tree][static_cast<std::size_t>(next_[tree] / 2) % kWindow];
  }

  MPI_Comm comm_;
  std::uint8_t* data_;
  const std::int64_t bytes_;
  const std::int64_t chunkBytes_;
  const std::int64_t chunks_;
  std::array<TreePlace, 2> places_;
  std::array<std::array<MPI_Request, kWindow>, 2> receives_;
  /// Of each tree: the chunk to come.
  std::array<std::int64_t, 2> next_ = {0, 1};
  std::vector<Message> messages_;
  /// How many of them have been begun, and those under way.
  std::size_t begun_ = 0;
  std::array<MPI_Request, kSends> sending_;
  AnyWait wait_;
};

/// A good size of one message. A pipeline of c-byte chunks takes bytes / c times what a message
/// costs beyond its bytes, and depth times the time of two chunks until it is full; the sum is
/// least at c = sqrt(bytes * cost / (2 * depth)), with the cost counted in bytes that the network
/// could carry meanwhile. docs/scaling.md has the figures.
std::int64_t chunkBytesFor(std::int64_t bytes, int ranks);

}  // namespace walla::mpi
