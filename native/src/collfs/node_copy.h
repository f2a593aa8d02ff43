// One copy of a file for all ranks of a node, and a descriptor of it on each.
//
// The copy is a memfd of the node's head: no name that anybody could open or that a killed job
// would leave behind, not bound by the size or noexec of /dev/shm, and sealed, so that no rank can
// change what another one reads. The other ranks open it through /proc/<head>/fd/<number>, which
// gives each a position of its own; where that is not allowed (another PID namespace), a rank
// counts as a node of its own. The kernel frees the copy with its last descriptor or mapping,
// however the processes end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "../unique_fd.h"
#include "process_descriptors.h"
#include "wire.h"

namespace walla::collfs {

/// Small enough to travel inside the answer.
constexpr std::size_t kInlineBytes = std::size_t{32} << 10;

/// A writable file in memory, close-on-exec. Invalid, with errno, when there can be none.
UniqueFd makeMemoryFile();

/// Makes a memory file unchangeable. @returns errno or 0
int seal(int fd);

/// Writes everything. @returns errno or 0
int writeFully(int fd, const std::uint8_t* data, std::size_t bytes, std::int64_t offset);

/// Memory this node could still give, in bytes.
std::uint64_t availableMemory();

/// So much of a file has its memory before it is filled: what can fail has failed by then.
constexpr std::size_t kGuaranteedBytes = 4096;

/// The file that the next open of one small file will fill. It exists beforehand, with memory in
/// it, and each rank holds its descriptor of it, so that nothing is left to fail once root's answer
/// is there.
class NextCopy {
 public:
  /// On a head: makes what is missing. On others: opens what the head has announced.
  /// @param descriptors of a head: its own; of others: their head's
  /// @returns 0 or errno; ESTALE if the head has announced nothing
  int prepare(bool head, ProcessDescriptors& descriptors);
  /// On a head, when there is time: lets go of what the last open filled, and makes what the one
  /// after this will need.
  void prepareSpare(ProcessDescriptors& own);

  /// On the head, for the other ranks of its node.
  void announce(Bytes& forNode) const;
  void hear(Reader& fromHead);

  /// When prepared: the file's own number, the same on all ranks of a node. 0 if the kernel does
  /// not tell.
  ino_t inode() const;

  /// On the head, when prepared: the file holds exactly this now. @returns errno or 0
  int fill(const Bytes& content);
  /// Gives up the writable descriptor, which is to be filled by the caller.
  UniqueFd takeWritable() { return std::move(writable_); }
  /// Gives up this rank's own descriptor.
  UniqueFd takeReadable() { return std::move(readable_); }
  /// It was not needed after all.
  void giveBack(UniqueFd readable) { readable_ = std::move(readable); }

 private:
  struct Announcement {
    pid_t process = 0;
    int fd = -1;
    /// Tells one file from the next under the same number.
    std::uint64_t serial = 0;
  };

  struct Pair {
    UniqueFd writable;
    UniqueFd readable;
  };

  /// @returns errno or 0
  static int make(Pair& pair, ProcessDescriptors& own);

  UniqueFd writable_;
  UniqueFd readable_;
  Pair spare_;
  /// Of the file before, which is let go where ranks wait for each other anyway.
  UniqueFd filled_;
  std::uint64_t serial_ = 0;
  Announcement heard_;
};

}  // namespace walla::collfs
