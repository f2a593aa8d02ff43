#include "body.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "../mpi/check.h"
#include "chunk_ring.h"
#include "node_copy.h"
#include "yielding_wait.h"

namespace walla::collfs {

namespace {

/// After each chunk's bytes: whether root could read them. A message of its own would cost a
/// latency.
using Status = std::int64_t;

/// How the stream is cut, and how many chunks there are at a time.
struct Cut {
  std::int64_t bytes;
  std::size_t buffers;
  bool isChain;

  std::size_t room() const { return static_cast<std::size_t>(bytes) + sizeof(Status); }
  std::size_t memory() const { return buffers * room(); }
};
/// MPI_Bcast divides a message itself, the better the larger it is.
constexpr Cut kForBroadcast{std::int64_t{4} << 20, 4, false};
/// Written while the processor's cache still has what was received.
constexpr Cut kForChain{std::int64_t{512} << 10, 8, true};

/// A chain gives each head the whole of its network, but is as slow to begin as it is long.
Cut cutFor(int heads, std::int64_t total) {
  constexpr std::int64_t kBytesPerHead = std::int64_t{32} << 20;
  return heads <= 2 + total / kBytesPerHead ? kForChain : kForBroadcast;
}

/// A place in the stream, which goes on from segment to segment.
class Cursor {
 public:
  explicit Cursor(const std::vector<Segment>& segments) : segments_(segments) {}

  /// Calls use(file, offset, data, bytes) for the parts of files that the next bytes belong to,
  /// until it does not return true.
  template <typename Use>
  bool advance(std::uint8_t* data, std::size_t bytes, Use use) {
    while (bytes > 0) {
      const Segment& segment = segments_[segment_];
      const auto part = static_cast<std::size_t>(
          std::min<std::int64_t>(segment.bytes - done_, static_cast<std::int64_t>(bytes)));
      if (part > 0 && !use(segment.file, segment.offset + done_, data, part)) return false;
      data += part;
      bytes -= part;
      done_ += static_cast<std::int64_t>(part);
      if (done_ == segment.bytes) {
        ++segment_;
        done_ = 0;
      }
    }
    return true;
  }

 private:
  const std::vector<Segment>& segments_;
  std::size_t segment_ = 0;
  std::int64_t done_ = 0;
};

class Transfer {
 public:
  Transfer(const mpi::Communicator& heads, const Body& body, const TransferMemory& memory,
           std::int64_t total)
      : heads_(heads),
        atRoot_(heads.rank() == 0),
        body_(body),
        cursor_(body.segments),
        total_(total),
        cut_(cutFor(heads.size(), total)),
        chunks_(static_cast<std::size_t>((total + cut_.bytes - 1) / cut_.bytes)),
        ring_(memory.data(), cut_.buffers, cut_.room()) {}

  ~Transfer() {
    ring_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Trouble run() {
    startThread();
    if (cut_.isChain) {
      passOn();
    } else {
      broadcast();
    }
    if (thread_.joinable()) {
      // Root's has nothing to do any more; the others still write.
      if (atRoot_) ring_.stop();
      thread_.join();
    }
    return trouble_;
  }

 private:
  std::size_t sizeOf(std::size_t number) const {
    const std::int64_t from = static_cast<std::int64_t>(number) * cut_.bytes;
    return static_cast<std::size_t>(std::min(cut_.bytes, total_ - from));
  }
  int messageSize(std::size_t number) const {
    return static_cast<int>(sizeOf(number) + sizeof(Status));
  }
  static bool isGood(const ChunkRing::Chunk& chunk) {
    Status status = 0;
    std::memcpy(&status, chunk.data + chunk.bytes, sizeof status);
    return status == 0;
  }

  void broadcast() {
    for (std::size_t number = 0; number < chunks_; ++number) {
      ChunkRing::Chunk& chunk = atRoot_ ? nextToSend(number) : *ring_.toFill(number);
      mpi::check(MPI_Bcast(chunk.data, messageSize(number), MPI_BYTE, 0, heads_.handle()),
                 "MPI_Bcast");
      chunk.bytes = sizeOf(number);
      const bool last = number + 1 == chunks_ || !isGood(chunk);
      if (atRoot_) {
        ring_.emptied();
      } else {
        received(chunk, last);
      }
      if (last) return;
    }
  }

  void passOn() {
    constexpr int kTag = 6;
    const int next = heads_.rank() + 1 < heads_.size() ? heads_.rank() + 1 : MPI_PROC_NULL;
    constexpr std::size_t kBuffers = kForChain.buffers;
    std::array<MPI_Request, kBuffers> receives;
    receives.fill(MPI_REQUEST_NULL);
    MPI_Request sending = MPI_REQUEST_NULL;
    const auto receive = [&](std::size_t number) {
      if (atRoot_ || number >= chunks_) return;
      mpi::check(MPI_Irecv(ring_.toFill(number)->data, messageSize(number), MPI_BYTE,
                           heads_.rank() - 1, kTag, heads_.handle(), &receives[number % kBuffers]),
                 "MPI_Irecv");
    };
    for (std::size_t number = 0; number + 1 < kBuffers; ++number) receive(number);
    for (std::size_t number = 0; number < chunks_; ++number) {
      ChunkRing::Chunk& chunk = atRoot_ ? nextToSend(number) : *ring_.toFill(number);
      if (!atRoot_) wait(receives[number % kBuffers]);
      chunk.bytes = sizeOf(number);
      const bool last = number + 1 == chunks_ || !isGood(chunk);
      // One send at a time, so that the buffer before this one is free of both its uses.
      wait(sending);
      if (atRoot_ && number > 0) ring_.emptied();
      mpi::check(MPI_Isend(chunk.data, messageSize(number), MPI_BYTE, next, kTag, heads_.handle(),
                           &sending),
                 "MPI_Isend");
      if (!atRoot_) received(chunk, last);
      if (last) break;
      receive(number + kBuffers - 1);
    }
    wait(sending);
    if (atRoot_) ring_.emptied();
    // After a failure no more chunks come.
    for (MPI_Request& request : receives) {
      if (request == MPI_REQUEST_NULL) continue;
      mpi::check(MPI_Cancel(&request), "MPI_Cancel");
      wait(request);
    }
  }

  ChunkRing::Chunk& nextToSend(std::size_t number) {
    if (!thread_.joinable()) fillOne();
    return *ring_.toEmpty(number);
  }

  void received(ChunkRing::Chunk& chunk, bool last) {
    chunk.last = last;
    ring_.filled();
    if (!thread_.joinable()) emptyOne();
  }

  void startThread() {
    // One chunk leaves nothing to overlap.
    if (chunks_ == 1) return;
    // The program's signal handlers are for the program's threads.
    sigset_t everything;
    sigset_t before;
    sigfillset(&everything);
    pthread_sigmask(SIG_SETMASK, &everything, &before);
    try {
      thread_ = std::thread([this] {
        while (atRoot_ ? fillOne() : emptyOne()) {
        }
      });
    } catch (const std::system_error&) {
      // It goes without, only slower.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  /// On root: reads a chunk, and writes it to the node's own copy. @returns false after the last
  bool fillOne() {
    ChunkRing::Chunk* chunk = ring_.toFill(handled_);
    if (chunk == nullptr) return false;
    const std::size_t bytes = sizeOf(handled_);
    const bool good =
        cursor_.advance(chunk->data, bytes,
                        [this](std::size_t file, std::int64_t offset, std::uint8_t* data,
                               std::size_t part) { return obtain(file, offset, data, part); });
    const Status status = good ? 0 : 1;
    std::memcpy(chunk->data + bytes, &status, sizeof status);
    ++handled_;
    ring_.filled();
    return good && handled_ < chunks_;
  }

  bool obtain(std::size_t file, std::int64_t offset, std::uint8_t* data, std::size_t bytes) {
    const Source& source = *body_.sources[file];
    if (source.inMemory) {
      std::memcpy(data, source.content.data() + offset, bytes);
    } else {
      for (std::size_t done = 0; done < bytes;) {
        const ssize_t got = pread(source.fd.get(), data + done, bytes - done,
                                  static_cast<off_t>(offset + static_cast<std::int64_t>(done)));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return note(Trouble::kFileSystem, errno);
        if (got == 0) return note(Trouble::kChanged, ESTALE);
        done += static_cast<std::size_t>(got);
      }
    }
    write(file, offset, data, bytes);
    return true;
  }

  /// Elsewhere: writes a chunk. @returns false after the last
  bool emptyOne() {
    ChunkRing::Chunk* chunk = ring_.toEmpty(handled_);
    if (chunk == nullptr) return false;
    cursor_.advance(
        chunk->data, chunk->bytes,
        [this](std::size_t file, std::int64_t offset, std::uint8_t* data, std::size_t part) {
          write(file, offset, data, part);
          return true;
        });
    const bool last = chunk->last;
    ++handled_;
    ring_.emptied();
    return !last;
  }

  /// A rank that cannot write goes on receiving: others may depend on it for their chunks.
  void write(std::size_t file, std::int64_t offset, const std::uint8_t* data, std::size_t bytes) {
    if (trouble_.kind != Trouble::kNone || body_.targets[file] < 0) return;
    const int code = writeFully(body_.targets[file], data, bytes, offset);
    if (code != 0) note(Trouble::kLocal, code);
  }

  bool note(Trouble::Kind kind, int code) {
    trouble_.kind = kind;
    trouble_.errorNumber = code;
    return false;
  }

  const mpi::Communicator& heads_;
  const bool atRoot_;
  const Body& body_;
  Cursor cursor_;
  const std::int64_t total_;
  const Cut cut_;
  const std::size_t chunks_;
  /// Chunks read on root, written elsewhere, by the one thread that does.
  std::size_t handled_ = 0;
  /// Written by the one thread that handles files; read after its end.
  Trouble trouble_;
  ChunkRing ring_;
  std::thread thread_;
};

}  // namespace

TransferMemory::TransferMemory()
    : memory_(new std::uint8_t[std::max(kForBroadcast.memory(), kForChain.memory())]) {}

Trouble transfer(const mpi::Communicator& heads, const Body& body, const TransferMemory& memory) {
  std::int64_t total = 0;
  for (const Segment& segment : body.segments) total += segment.bytes;
  if (total == 0) return {};
  return Transfer(heads, body, memory, total).run();
}

}  // namespace walla::collfs
