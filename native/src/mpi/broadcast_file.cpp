#include "broadcast_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include "../fault.h"
#include "../mapping.h"
#include "../posix_error.h"
#include "../trailing_hash.h"
#include "chunk_stream.h"
#include "private_mapping.h"
#include "progress.h"

namespace walla::mpi {
namespace {

enum Step : std::int32_t {
  kNone,
  kSourceStat,
  kSourceShort,
  kSourceMap,
  kSourceRead,
  kTargetStat,
  kTargetShort,
  kTargetMap,
  kThread,
  kInjected
};

/// What went wrong on a rank; sent to the others as it is.
struct Failure {
  std::int32_t step = kNone;
  std::int32_t errorNumber = 0;
  std::int64_t offset = 0;
};

[[noreturn]] void raise(const Failure& failure, int rank, std::int64_t bytes) {
  const char* syscall = "";
  std::string what;
  switch (failure.step) {
    case kSourceStat:
    case kSourceShort:
      syscall = "fstat";
      what = "the source";
      break;
    case kSourceMap:
      syscall = "mmap";
      what = "the source";
      break;
    case kSourceRead:
      syscall = "pread";
      what = "the source";
      break;
    case kTargetStat:
    case kTargetShort:
      syscall = "fstat";
      what = "the target";
      break;
    case kTargetMap:
      syscall = "mmap";
      what = "the target";
      break;
    case kInjected:
      syscall = "WALLA_FAULT";
      what = "the transfer";
      break;
    default:
      syscall = "pthread_create";
      what = "the transfer";
  }
  std::string message = std::string(syscall) + " of " + what + " failed on rank " +
                        std::to_string(rank) + " at byte " + std::to_string(failure.offset) +
                        " of " + std::to_string(bytes) + ": ";
  message += failure.errorNumber == 0 ? "the file ends there" : std::strerror(failure.errorNumber);
  throw TransferError(message, syscall, failure.errorNumber, rank);
}

/// Everything one rank needs for its part; the threads end before the mappings do.
class Transfer {
 public:
  Transfer(const Communicator& comm, const FileBroadcast& options)
      : comm_(comm),
        options_(options),
        chunkBytes_(options.chunkBytes > 0 ? options.chunkBytes
                                           : chunkBytesFor(options.bytes, comm.size())),
        atRoot_(comm.rank() == options.root),
        reads_(atRoot_ && options.targetFd >= 0) {}

  ~Transfer() {
    abandoned_ = true;
    if (reader_.joinable()) reader_.join();
  }

  std::string run() {
    const Failure failure = prepare();
    agree(failure);
    transfer();
    return hash_->finish();
  }

 private:
  Failure prepare() {
    struct stat status {};
    if (atRoot_) {
      if (fstat(options_.sourceFd, &status) != 0) return {kSourceStat, errno, 0};
      if (status.st_size < options_.bytes) return {kSourceShort, 0, status.st_size};
    }
    const auto bytes = static_cast<std::uint64_t>(options_.bytes);
    if (atRoot_ && !reads_) {
      const int error = source_.map(options_.sourceFd, options_.bytes);
      if (error != 0) return {kSourceMap, error, 0};
      data_ = source_.data();
    } else {
      if (fstat(options_.targetFd, &status) != 0) return {kTargetStat, errno, 0};
      if (status.st_size < options_.bytes) return {kTargetShort, 0, status.st_size};
      try {
        target_ = Mapping::readWrite(options_.targetFd, bytes);
      } catch (const PosixError& error) {
        return {kTargetMap, error.code(), 0};
      }
      data_ = target_.data();
    }
    try {
      stream_.emplace(comm_, options_.root, data_, options_.bytes, chunkBytes_);
      hash_.emplace(data_, static_cast<std::uint64_t>(options_.hashFrom), bytes);
      if (reads_) reader_ = std::thread([this] { read(); });
    } catch (const std::system_error& error) {
      return {kThread, error.code().value(), 0};
    } catch (const std::bad_alloc&) {
      return {kThread, ENOMEM, 0};
    }
    return {};
  }

  /// All ranks are ready and mean the same transfer, or all throw the same.
  void agree(const Failure& mine) {
    constexpr std::int64_t kNobody = std::numeric_limits<std::int64_t>::max();
    const std::int64_t root = options_.root;
    std::int64_t values[] = {root,
                             -root,
                             options_.bytes,
                             -options_.bytes,
                             options_.hashFrom,
                             -options_.hashFrom,
                             options_.chunkBytes,
                             -options_.chunkBytes,
                             mine.step == kNone ? kNobody : comm_.rank()};
    comm_.allreduce(values, 9, Op::kMin);
    // min(x) == -min(-x) only where all ranks passed the same x.
    for (int i = 0; i < 8; i += 2) {
      if (values[i] != -values[i + 1]) {
        static const char* const kNames[] = {"root", "bytes", "hashFrom", "chunkBytes"};
        throw std::invalid_argument(std::string("ranks disagree on ") + kNames[i / 2] +
                                    " of a file broadcast: from " + std::to_string(values[i]) +
                                    " to " + std::to_string(-values[i + 1]));
      }
    }
    if (values[8] == kNobody) return;
    const int failed = static_cast<int>(values[8]);
    Failure failure = mine;
    comm_.bcast(&failure, sizeof failure, failed);
    raise(failure, failed, options_.bytes);
  }

  // How a failure of root in the middle reaches the others. They wait for chunks, so root may not
  // just leave. A status beside every chunk would cost one more message each. So root sends nothing
  // in the place of the chunks that it does not have, which everybody passes on.
  void transfer() {
    Failure own;
    ProgressTeller progress(options_.tell, options_.bytes);
    bool whole = true;
    if (!atRoot_) {
      makePresent(0, ChunkStream::kAhead);
      stream_->start();
    }
    for (std::int64_t left = stream_->chunks(), sent = 0; left > 0; --left, ++sent) {
      if (!atRoot_) makePresent(sent + ChunkStream::kAhead, 1);
      const ChunkStream::Arrival arrival =
          atRoot_ ? ChunkStream::Arrival{sent, !obtain(sent)} : stream_->receive();
      const std::int64_t begin = stream_->begin(arrival.chunk);
      const std::int64_t end = stream_->end(arrival.chunk);
      if (begin <= options_.bytes / 2 && options_.bytes / 2 < end) {
        const int error = faultAt("transfer.middle");
        if (error != 0) (atRoot_ ? failure_ : own) = {kInjected, error, begin};
      }
      stream_->send(arrival);
      whole = whole && !arrival.nothing;
      if (whole) {
        const std::int64_t done = atRoot_ ? end : stream_->arrivedBytes();
        hash_->advance(static_cast<std::uint64_t>(done));
        progress.reached(done);
      }
    }
    stream_->flush();
    Failure failure = failure_;
    comm_.bcast(&failure, sizeof failure, options_.root);
    if (failure.step != kNone) raise(failure, options_.root, options_.bytes);
    if (own.step != kNone) raise(own, comm_.rank(), options_.bytes);
  }

  /// On root: waits until a chunk is in memory. @returns false if it never will be
  bool obtain(std::int64_t chunk) {
    // Of root's messages the next one can be agreed upon while one is under way.
    stream_->flush(1);
    if (failure_.step != kNone) return false;
    const std::int64_t end = stream_->end(chunk);
    if (reads_) {
      std::int64_t have = stream_->begin(chunk);
      while (have < end) {
        const std::int64_t now = readable_.waitBeyond(have);
        if (now <= have) {
          failure_ = readFailure_;  // set before the reader stopped
          return false;
        }
        have = now;
      }
      return true;
    }
    // Touching a mapping beyond the end of a file that has been cut off since is a SIGBUS.
    struct stat status {};
    if (fstat(options_.sourceFd, &status) != 0) {
      failure_ = {kSourceStat, errno, stream_->begin(chunk)};
    } else if (status.st_size < end) {
      failure_ = {kSourceShort, 0, status.st_size};
    }
    return failure_.step == kNone;
  }

  /// So many pages at once cost less than a fault for each.
  void makePresent(std::int64_t chunk, std::int64_t count) const {
    target_.makePresent(static_cast<std::uint64_t>(stream_->begin(chunk)),
                        static_cast<std::uint64_t>(stream_->begin(chunk + count)));
  }

  void read() {
    posix_fadvise(options_.sourceFd, 0, options_.bytes, POSIX_FADV_SEQUENTIAL);
    std::int64_t at = 0;
    while (at < options_.bytes && !abandoned_) {
      const auto want = static_cast<std::size_t>(std::min(chunkBytes_, options_.bytes - at));
      target_.makePresent(static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(at) + want);
      const ssize_t got = pread(options_.sourceFd, data_ + at, want, at);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        readFailure_ = {kSourceRead, got < 0 ? errno : 0, at};
        break;
      }
      at += got;
      readable_.advance(at);
    }
    readable_.stop();
  }

  const Communicator& comm_;
  const FileBroadcast& options_;
  const std::int64_t chunkBytes_;
  const bool atRoot_;
  /// Root reads into its own target; otherwise it sends the source's mapping.
  const bool reads_;

  Mapping target_;
  /// Writable, since networks with direct access to memory may register it for writing too, which
  /// makes the kernel copy the pages.
  PrivateMapping source_;
  /// Where the bytes are: in one of the two.
  std::uint8_t* data_ = nullptr;
  Failure failure_;
  Failure readFailure_;
  Progress readable_;
  std::atomic<bool> abandoned_{false};
  std::optional<ChunkStream> stream_;
  std::optional<TrailingHash> hash_;
  std::thread reader_;
};

}  // namespace

std::string broadcastFile(const Communicator& comm, const FileBroadcast& transfer) {
  return Transfer(comm, transfer).run();
}

}  // namespace walla::mpi
