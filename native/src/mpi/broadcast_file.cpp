#include "broadcast_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>

#include "../fault.h"
#include "../mapping.h"
#include "../posix_error.h"
#include "../trailing_hash.h"
#include "check.h"
#include "private_mapping.h"
#include "progress.h"

namespace walla::mpi {
namespace {

// How a failure of root in the middle reaches the others. They sit in MPI_Bcast, so root may not
// just leave. A status before every chunk would cost one more latency per chunk in every transfer
// that succeeds. So root goes on sending chunks, whatever its memory holds there, and says only
// every so often whether this still makes sense, and once more after the last chunk.
constexpr std::int64_t kChunksPerStatus = 32;

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
        atRoot_(comm.rank() == options.root),
        reads_(atRoot_ && options.targetFd >= 0) {}

  ~Transfer() {
    abandoned_ = true;
    if (reader_.joinable()) reader_.join();
  }

  std::string run() {
    const Failure failure = prepare();
    agree(failure);
    send();
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
      hash_.emplace(data_, static_cast<std::uint64_t>(options_.hashFrom), bytes);
      if (reads_) reader_ = std::thread([this] { read(); });
    } catch (const std::system_error& error) {
      return {kThread, error.code().value(), 0};
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

  void send() {
    std::int64_t sent = 0;
    Failure own;
    for (std::int64_t chunk = 0; sent < options_.bytes; ++chunk) {
      const std::int64_t end = std::min(sent + options_.chunkBytes, options_.bytes);
      if (atRoot_) obtain(sent, end);
      if (sent <= options_.bytes / 2 && options_.bytes / 2 < end) {
        const int error = faultAt("transfer.middle");
        if (error != 0) (atRoot_ ? failure_ : own) = {kInjected, error, sent};
      }
      if (chunk % kChunksPerStatus == kChunksPerStatus - 1 && failed()) break;
      check(MPI_Bcast(data_ + sent, static_cast<int>(end - sent), MPI_BYTE, options_.root,
                      comm_.handle()),
            "MPI_Bcast");
      if (atRoot_ && !reads_) source_.dropWritten(sent, end);
      hash_->advance(static_cast<std::uint64_t>(end));
      sent = end;
    }
    Failure failure = failure_;
    comm_.bcast(&failure, sizeof failure, options_.root);
    if (failure.step != kNone) raise(failure, options_.root, options_.bytes);
    if (own.step != kNone) raise(own, comm_.rank(), options_.bytes);
  }

  /// On root: waits until [from, end) is in memory, or notes that it will not be.
  void obtain(std::int64_t from, std::int64_t end) {
    if (failure_.step != kNone) return;
    if (reads_) {
      std::int64_t have = from;
      while (have < end) {
        const std::int64_t now = readable_.waitBeyond(have);
        if (now <= have) {
          failure_ = readFailure_;  // set before the reader stopped
          return;
        }
        have = now;
      }
      return;
    }
    // Touching a mapping beyond the end of a file that has been cut off since is a SIGBUS.
    struct stat status {};
    if (fstat(options_.sourceFd, &status) != 0) {
      failure_ = {kSourceStat, errno, from};
    } else if (status.st_size < end) {
      failure_ = {kSourceShort, 0, status.st_size};
      // What is left of this transfer is thrown away, but MPI reads it all the same.
      source_.replaceByZeros();
    }
  }

  bool failed() {
    std::int32_t step = failure_.step;
    check(MPI_Bcast(&step, 1, MPI_INT32_T, options_.root, comm_.handle()), "MPI_Bcast");
    return step != kNone;
  }

  void read() {
    posix_fadvise(options_.sourceFd, 0, options_.bytes, POSIX_FADV_SEQUENTIAL);
    std::int64_t at = 0;
    while (at < options_.bytes && !abandoned_) {
      const auto want =
          static_cast<std::size_t>(std::min(options_.chunkBytes, options_.bytes - at));
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
  const bool atRoot_;
  /// Root reads into its own target; otherwise it sends the source's mapping.
  const bool reads_;

  Mapping target_;
  /// Writable, since MPI_Bcast may write on root too: the scatter-allgather algorithms hand root
  /// its own bytes back. (A read-only mapping is a SIGSEGV in MPICH 4.0.)
  PrivateMapping source_;
  /// Where the bytes are: in one of the two.
  std::uint8_t* data_ = nullptr;
  Failure failure_;
  Failure readFailure_;
  Progress readable_;
  std::atomic<bool> abandoned_{false};
  std::optional<TrailingHash> hash_;
  std::thread reader_;
};

}  // namespace

std::string broadcastFile(const Communicator& comm, const FileBroadcast& transfer) {
  return Transfer(comm, transfer).run();
}

}  // namespace walla::mpi
