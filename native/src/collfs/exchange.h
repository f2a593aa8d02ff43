// The messages of one collective call: all ranks tell root that they are here and ready, root does
// what was asked, and its answer goes down the tree. So a rank that is missing, makes another call
// or cannot go on is known before anybody acts on the answer, for the price of two small
// broadcasts.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "../mpi/communicator.h"
#include "call.h"
#include "failure.h"
#include "tree.h"
#include "wire.h"

namespace walla::collfs {

/// Largest answer to one round: common, content and forNode together.
constexpr std::size_t kLargestAnswer = std::size_t{60} << 10;

/// What keeps a rank from taking part.
struct Trouble {
  enum Kind : std::int32_t {
    kNone,
    kStale,       // its descriptor is no longer good; the next round has a new one
    kFileSystem,  // of root: a plain errno
    kLocal,
    kChanged,
  };
  std::int32_t kind = kNone;
  std::int32_t errorNumber = 0;
  std::int32_t rank = -1;
  char host[64] = {};
};

struct Answer {
  /// What hinders the call; nothing else counts then.
  Trouble trouble;
  /// Ranks made different calls: as bad.
  bool diverged = false;
  bool good() const { return !diverged && trouble.kind == Trouble::kNone; }
  /// Root's bytes for every rank,
  Bytes common;
  /// for heads alone,
  Bytes content;
  /// and a head's own for the ranks of its node.
  Bytes forNode;
};

struct Round {
  const Call& call;
  /// Mixed into the comparison of calls.
  std::uint64_t seed = 0;
  Trouble mine;
  /// Whether all ranks report first. If not, `mine` is not heard and calls are not compared.
  bool gather = true;
  /// How long ranks may be late; 0 for ever.
  double timeoutSeconds = 0;
  /// On root, while the others' words arrive: sets common and content. May throw.
  std::function<void(Answer&)> atRoot;
  /// On every head, also root, before the ranks of its node get the answer: sets forNode. Called
  /// whatever the answer is. Must not throw.
  std::function<void(Answer&)> atHead;
  /// Where there is time, while other ranks are waited for. Must not throw.
  std::function<void()> meanwhile;
};

class Exchange {
 public:
  /// @param comm outlives this
  explicit Exchange(const mpi::Communicator& comm) : comm_(comm) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Collective: the others' host names go to the new root.
  void use(std::vector<int> nodeOf, int root);
  const Tree& tree() const { return tree_; }

  /// Collective.
  /// @throws Failure ERR_COLLFS_DIVERGED or ERR_COLLFS_TIMEOUT, the same on all ranks; after the
  /// latter
  ///   no more rounds are possible. mpi::MpiError
  Answer run(const Round& round);

 private:
  /// One rank's word, or that of its whole subtree.
  struct Word {
    std::uint64_t sequence;
    std::uint64_t hash;
    std::int32_t diverged;
    Trouble trouble;
  };

  /// In front of every answer.
  struct Head {
    std::uint64_t sequence;
    std::int32_t diverged;
    std::uint32_t commonBytes;
    std::uint32_t contentBytes;
    std::uint32_t nodeBytes;
    Trouble trouble;
  };

  struct Ping {
    std::uint64_t sequence;
    std::int32_t gaveUp;
  };

  Answer runAtRoot(const Round& round);
  Answer runElsewhere(const Round& round);
  Word ownWord(const Round& round) const;
  void postWords();
  void mergeWords(Word& word) const;
  void send(const Answer& answer, bool forHeads, const std::vector<int>& to);
  void finishSends();
  [[noreturn]] void reportDivergence(const Round& round);

  // Waiting, with a limit:
  bool wordsAreHere();
  void waitForWords(const Round& round);
  void waitForAnswer(const Round& round, MPI_Request& request);
  std::vector<int> unaccounted() const;
  std::vector<int> silentOf(const std::vector<int>& ranks);
  [[noreturn]] void giveUp(const Round& round, const std::vector<int>& missing);
  [[noreturn]] void giveUpRoot(const Round& round, MPI_Request& request);
  void refuseIfOthersGaveUp(const Round& round);
  void listenToRoot(std::vector<MPI_Request>& pending);
  void cancel(std::vector<MPI_Request>& requests);
  std::string nameOf(int rank) const;

  const mpi::Communicator& comm_;
  std::vector<int> nodeOf_;
  Tree tree_;
  /// On root: of each rank.
  std::vector<std::string> hosts_;
  std::uint64_t sequence_ = 0;

  /// Both kinds of children, those on other nodes first.
  std::vector<int> children_;
  std::vector<Word> words_;
  std::vector<MPI_Request> wordRequests_;
  std::vector<MPI_Request> sends_;
  Word own_{};
  Bytes incoming_;
  /// One for heads, one for the node.
  Bytes outgoing_[2];
};

}  // namespace walla::collfs
