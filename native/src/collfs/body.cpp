#include "body.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "../mpi/check.h"
#include "chunk_ring.h"
#include "node_copy.h"

namespace walla::collfs {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr std::size_t kBuffers = 4;

/// After each chunk's bytes: whether root could read them. A message of its own would cost a
/// latency.
using Status = std::int64_t;
constexpr std::size_t kRoom = kChunkBytes + sizeof(Status);

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
  Transfer(const mpi::Communicator& heads, int root, const Body& body, const TransferMemory& memory,
           std::int64_t total)
      : heads_(heads),
        root_(root),
        atRoot_(heads.rank() == root),
        body_(body),
        cursor_(body.segments),
        chunk_(std::min(kChunkBytes, static_cast<std::size_t>(total))),
        left_(total),
        ring_(memory.data(), kBuffers, kRoom) {}

  ~Transfer() {
    ring_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Trouble run() {
    // Read before there is a thread, which counts it down.
    std::int64_t left = left_;
    startThread();
    for (bool last = left == 0; !last;) {
      const auto bytes =
          static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(chunk_)));
      if (!thread_.joinable() && atRoot_) fillOne();
      ChunkRing::Chunk* chunk = atRoot_ ? ring_.toEmpty() : ring_.toFill();
      mpi::check(MPI_Bcast(chunk->data, static_cast<int>(bytes + sizeof(Status)), MPI_BYTE, root_,
                           heads_.handle()),
                 "MPI_Bcast");
      Status status = 0;
      std::memcpy(&status, chunk->data + bytes, sizeof status);
      left -= static_cast<std::int64_t>(bytes);
      last = left == 0 || status != 0;
      chunk->bytes = bytes;
      chunk->last = last;
      if (atRoot_) {
        ring_.emptied();
      } else {
        ring_.filled();
        if (!thread_.joinable()) emptyOne();
      }
    }
    if (thread_.joinable()) {
      // Root's has nothing to do any more; the others still write.
      if (atRoot_) ring_.stop();
      thread_.join();
    }
    return trouble_;
  }

 private:
  void startThread() {
    // One chunk leaves nothing to overlap.
    if (left_ <= static_cast<std::int64_t>(chunk_)) return;
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
    ChunkRing::Chunk* chunk = ring_.toFill();
    if (chunk == nullptr) return false;
    const auto bytes =
        static_cast<std::size_t>(std::min<std::int64_t>(left_, static_cast<std::int64_t>(chunk_)));
    const bool good =
        cursor_.advance(chunk->data, bytes,
                        [this](std::size_t file, std::int64_t offset, std::uint8_t* data,
                               std::size_t part) { return obtain(file, offset, data, part); });
    const Status status = good ? 0 : 1;
    std::memcpy(chunk->data + bytes, &status, sizeof status);
    left_ -= static_cast<std::int64_t>(bytes);
    ring_.filled();
    return good && left_ > 0;
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
    ChunkRing::Chunk* chunk = ring_.toEmpty();
    if (chunk == nullptr) return false;
    cursor_.advance(
        chunk->data, chunk->bytes,
        [this](std::size_t file, std::int64_t offset, std::uint8_t* data, std::size_t part) {
          write(file, offset, data, part);
          return true;
        });
    const bool last = chunk->last;
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
  const int root_;
  const bool atRoot_;
  const Body& body_;
  Cursor cursor_;
  const std::size_t chunk_;
  /// What the thread that fills has still to do.
  std::int64_t left_;
  /// Written by the one thread that handles files; read after its end.
  Trouble trouble_;
  ChunkRing ring_;
  std::thread thread_;
};

}  // namespace

TransferMemory::TransferMemory() : memory_(new std::uint8_t[kBuffers * kRoom]) {}

Trouble transfer(const mpi::Communicator& heads, int root, const Body& body,
                 const TransferMemory& memory) {
  std::int64_t total = 0;
  for (const Segment& segment : body.segments) total += segment.bytes;
  if (total == 0) return {};
  return Transfer(heads, root, body, memory, total).run();
}

}  // namespace walla::collfs
