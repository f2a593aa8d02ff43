// One communicator of the stack, with all that collective calls on it need.
#pragma once

#include <mpi.h>
#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "../mpi/communicator.h"
#include "../unique_fd.h"
#include "body.h"
#include "exchange.h"
#include "node_copy.h"
#include "process_descriptors.h"
#include "remembered.h"

namespace walla::collfs {

/// May change at any time, by any thread.
struct Settings {
  std::atomic<bool> checked{true};
  std::atomic<double> timeoutSeconds{0};
};

class Level {
 public:
  /// Collective over `comm`, which is duplicated.
  /// @param settings outlive this
  /// @param ready whether this rank may push at all; it takes part anyway, so that nobody waits for
  /// it
  /// @throws Failure, the same on all ranks; mpi::MpiError
  Level(MPI_Comm comm, int root, bool ready, const Settings& settings);
  /// Collective, unless the communicator is out of use.
  ~Level();
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

  int rank() const { return comm_.rank(); }
  int size() const { return comm_.size(); }
  int root() const { return exchange_.tree().root; }
  bool atRoot() const { return rank() == root(); }
  bool isHead() const { return exchange_.tree().head; }
  pthread_t thread() const { return thread_; }
  bool broken() const { return broken_; }

  /// Collective, all of these. @throws Failure, the same on all ranks; mpi::MpiError

  Answer round(const Call& call, const Trouble& mine, bool gather,
               std::function<void(Answer&)> atRoot, std::function<void(Answer&)> atHead,
               std::function<void()> meanwhile = nullptr);
  /// Brings root's bytes, any number of them, to all ranks.
  Bytes ask(const Call& call, const std::function<Bytes()>& work);
  /// The second half of ask(), for bytes that the first round has announced.
  Bytes fetch(const Call& call, const Bytes& atRoot, std::uint64_t bytes);
  /// All ranks are well, or all throw. Ranks that are known to be in this call are waited for
  /// without limit.
  void agree(const Call& call, const Trouble& mine);
  /// As agree, but root's plain errno is returned.
  Trouble conclude(const Call& call, const Trouble& mine);
  /// For a call that this rank cannot make, for want of a name: ranks that make another one learn
  /// of it, and those of the unchecked mode get their answer, or `errorNumber` if this is root.
  /// @param compared whether calls of this kind are compared in any mode
  void refuse(const Call& call, bool compared, int errorNumber);
  void setRoot(int root);
  /// Before the destructor.
  void pop();

  /// Between heads. @returns what went wrong on this rank
  Trouble send(const Body& body) const;

  NextCopy& nextCopy() { return nextCopy_; }
  /// Of this process, and of what the head of its node has.
  ProcessDescriptors& ownDescriptors() { return ownDescriptors_; }
  ProcessDescriptors& headDescriptors() { return isHead() ? ownDescriptors_ : headDescriptors_; }
  Remembered& remembered() { return remembered_; }
  /// A descriptor to duplicate for directories: of one that is empty and removed, so that what goes
  /// past collfs finds nothing in it rather than something wrong.
  int emptyDirectory() const { return emptyDirectory_.get(); }

 private:
  void settle(int root, std::vector<int> nodeOf);
  /// Makes and announces the copies' first file. @returns whether all ranks could open their head's
  bool tryDescriptors(std::vector<int>& nodeOf);
  Answer exchange(const Call& call, const Trouble& mine, bool gather, bool limited,
                  std::function<void(Answer&)> atRoot, std::function<void(Answer&)> atHead,
                  std::function<void()> meanwhile = nullptr);

  mpi::Communicator comm_;
  Exchange exchange_;
  const pthread_t thread_;
  const Settings& settings_;
  std::vector<int> nodeOf_;
  /// Root is the first.
  std::optional<mpi::Communicator> heads_;
  std::optional<TransferMemory> memory_;
  UniqueFd emptyDirectory_;
  ProcessDescriptors ownDescriptors_;
  ProcessDescriptors headDescriptors_;
  NextCopy nextCopy_;
  Remembered remembered_;
  bool broken_ = false;
  std::string whyBroken_;
  collfs_code codeBroken_ = COLLFS_OK;
};

/// @throws Failure that says what hinders the call, or nothing if nothing does or root has a plain
/// errno
void throwFailure(const Call& call, const Trouble& trouble);

}  // namespace walla::collfs
