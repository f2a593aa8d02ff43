// One file, from one rank's descriptor into every rank's own file.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "../progress_teller.h"
#include "communicator.h"

namespace walla::mpi {

struct FileBroadcast {
  int root = 0;
  /// Open for reading on root; -1 elsewhere.
  int sourceFd = -1;
  /// Open for reading and writing, at least `bytes` long, blocks reserved (a full tmpfs would be a
  /// SIGBUS here). May be -1 on root, when the source is itself the image in node-local memory: it
  /// is then broadcast from a private mapping of it.
  int targetFd = -1;
  std::int64_t bytes = 0;
  /// The digest covers [hashFrom, bytes).
  std::int64_t hashFrom = 0;
  /// Size of one message; 0: chosen by chunkBytesFor. Larger ones waste less on latency, smaller
  /// ones fill the pipeline sooner.
  std::int64_t chunkBytes = 0;
  /// Called on this thread from time to time: on root with the bytes that are on their way,
  /// elsewhere with those that have come. It must not throw. Each rank has its own, or none.
  TellProgress tell;
};

/// A file operation failed on one rank; thrown alike on every rank.
class TransferError : public std::runtime_error {
 public:
  TransferError(const std::string& message, const char* syscall, int errorNumber, int rank)
      : std::runtime_error(message), syscall_(syscall), errorNumber_(errorNumber), rank_(rank) {}

  const char* syscall() const { return syscall_; }
  /// errno of the failed call, 0 if the call succeeded but with less than it had to.
  int errorNumber() const { return errorNumber_; }
  /// Rank in the communicator of the transfer.
  int rank() const { return rank_; }

 private:
  const char* syscall_;
  int errorNumber_;
  int rank_;
};

/// Collective. root, bytes, hashFrom and chunkBytes must be the same on all ranks; if they are
/// not, every rank throws std::invalid_argument.
/// @returns the digest of pieces (piece_digest.h) of the bytes this rank has now, in hex: each rank
///   hashes its own, on other threads, while the next chunks arrive
std::string broadcastFile(const Communicator& comm, const FileBroadcast& transfer);

}  // namespace walla::mpi
