#include "exchange.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "../mpi/check.h"
#include "exchange_tags.h"
#include "yielding_wait.h"

namespace walla::collfs {

using mpi::check;

void Exchange::use(std::vector<int> nodeOf, int root) {
  nodeOf_ = std::move(nodeOf);
  tree_ = makeTree(nodeOf_, root, comm_.rank());
  children_ = tree_.headChildren;
  children_.insert(children_.end(), tree_.nodeChildren.begin(), tree_.nodeChildren.end());
  words_.resize(children_.size());
  incoming_.resize(sizeof(Head) + kLargestAnswer);
  const std::string& host = hostName();
  auto pieces = comm_.gather(host.data(), static_cast<std::int64_t>(host.size()), root);
  hosts_.clear();
  for (std::size_t rank = 0; rank < pieces.count(); ++rank) {
    hosts_.emplace_back(reinterpret_cast<const char*>(pieces.data(rank)), pieces.size(rank));
  }
}

Answer Exchange::run(const Round& round) {
  ++sequence_;
  return comm_.rank() == tree_.root ? runAtRoot(round) : runElsewhere(round);
}

Answer Exchange::runAtRoot(const Round& round) {
  Answer answer;
  Word word = ownWord(round);
  if (round.gather) postWords();
  try {
    if (word.trouble.kind == Trouble::kNone && round.atRoot) round.atRoot(answer);
  } catch (const std::bad_alloc&) {
    word.trouble.kind = Trouble::kLocal;
    word.trouble.errorNumber = ENOMEM;
    word.trouble.rank = comm_.rank();
  }
  // Others wait for root: what can be done later is, unless it has to wait itself.
  if (round.meanwhile && !wordsAreHere()) round.meanwhile();
  if (round.gather) {
    waitForWords(round);
    mergeWords(word);
  }
  answer.trouble = word.trouble;
  answer.diverged = word.diverged != 0;
  if (!answer.good()) {
    answer.common.clear();
    answer.content.clear();
  }
  send(answer, true, tree_.headChildren);
  if (round.atHead) round.atHead(answer);
  send(answer, false, tree_.nodeChildren);
  finishSends();
  if (answer.diverged) reportDivergence(round);
  return answer;
}

Answer Exchange::runElsewhere(const Round& round) {
  // Posted first, so that an answer never waits in MPI's own buffers.
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Irecv(incoming_.data(), static_cast<int>(incoming_.size()), MPI_BYTE, tree_.parent,
                  kTagAnswer, comm_.handle(), &request),
        "MPI_Irecv");
  if (round.gather) {
    own_ = ownWord(round);
    postWords();
    waitForWords(round);
    mergeWords(own_);
    check(MPI_Send(&own_, sizeof own_, MPI_BYTE, tree_.parent, kTagWord, comm_.handle()),
          "MPI_Send");
  }
  if (round.meanwhile) {
    // A rank that shares the processor may have its word to send first.
    sched_yield();
    round.meanwhile();
  }
  waitForAnswer(round, request);

  Head head;
  std::memcpy(&head, incoming_.data(), sizeof head);
  if (head.sequence != sequence_) {
    throw std::logic_error("an answer of collfs belongs to another call");
  }
  Answer answer;
  answer.trouble = head.trouble;
  answer.diverged = head.diverged != 0;
  const std::uint8_t* at = incoming_.data() + sizeof head;
  const auto take = [&at](std::uint32_t bytes) {
    at += bytes;
    return Bytes(at - bytes, at);
  };
  answer.common = take(head.commonBytes);
  answer.content = take(head.contentBytes);
  answer.forNode = take(head.nodeBytes);
  if (tree_.head) {
    send(answer, true, tree_.headChildren);
    if (round.atHead) round.atHead(answer);
  }
  send(answer, false, tree_.nodeChildren);
  finishSends();
  if (answer.diverged) reportDivergence(round);
  return answer;
}

Exchange::Word Exchange::ownWord(const Round& round) const {
  // Zeroed: sent as it is, holes included.
  Word word;
  std::memset(static_cast<void*>(&word), 0, sizeof word);
  word.sequence = sequence_;
  word.hash = round.call.hash(round.seed);
  word.trouble = round.mine;
  word.trouble.rank = comm_.rank();
  if (round.mine.kind != Trouble::kNone) {
    hostName().copy(word.trouble.host, sizeof word.trouble.host - 1);
  }
  return word;
}

void Exchange::postWords() {
  wordRequests_.assign(children_.size(), MPI_REQUEST_NULL);
  for (std::size_t i = 0; i < children_.size(); ++i) {
    check(MPI_Irecv(&words_[i], sizeof words_[i], MPI_BYTE, children_[i], kTagWord, comm_.handle(),
                    &wordRequests_[i]),
          "MPI_Irecv");
  }
}

void Exchange::mergeWords(Word& word) const {
  for (const Word& other : words_) {
    if (other.hash != word.hash || other.diverged != 0) word.diverged = 1;
    const Trouble& theirs = other.trouble;
    if (theirs.kind == Trouble::kNone) continue;
    Trouble& known = word.trouble;
    // The worse one, and of those the lowest rank's.
    if (theirs.kind > known.kind || (theirs.kind == known.kind && theirs.rank < known.rank)) {
      known = theirs;
    }
  }
}

void Exchange::send(const Answer& answer, bool forHeads, const std::vector<int>& to) {
  if (to.empty()) return;
  Bytes& bytes = outgoing_[forHeads ? 0 : 1];
  bytes.clear();
  Head head;
  std::memset(static_cast<void*>(&head), 0, sizeof head);
  head.sequence = sequence_;
  head.diverged = answer.diverged ? 1 : 0;
  head.commonBytes = static_cast<std::uint32_t>(answer.common.size());
  head.contentBytes = forHeads ? static_cast<std::uint32_t>(answer.content.size()) : 0;
  head.nodeBytes = forHeads ? 0 : static_cast<std::uint32_t>(answer.forNode.size());
  head.trouble = answer.trouble;
  put(bytes, head);
  const Bytes& second = forHeads ? answer.content : answer.forNode;
  bytes.insert(bytes.end(), answer.common.begin(), answer.common.end());
  bytes.insert(bytes.end(), second.begin(), second.end());
  if (bytes.size() > sizeof head + kLargestAnswer) {
    throw std::logic_error("an answer of collfs is too long");
  }
  for (const int rank : to) {
    sends_.push_back(MPI_REQUEST_NULL);
    check(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, rank, kTagAnswer,
                    comm_.handle(), &sends_.back()),
          "MPI_Isend");
  }
}

void Exchange::finishSends() {
  waitAll(sends_);
  sends_.clear();
}

/// All ranks are here: they tell root what they wanted, and root tells all.
void Exchange::reportDivergence(const Round& round) {
  const std::string mine = round.call.text();
  auto pieces = comm_.gather(mine.data(), static_cast<std::int64_t>(mine.size()), tree_.root);
  Bytes report;
  if (comm_.rank() == tree_.root) {
    struct Group {
      std::string call;
      std::string ranks;
      int count;
    };
    std::vector<Group> groups;
    int differs = -1;
    for (std::size_t i = 0; i < pieces.count(); ++i) {
      const std::string call(reinterpret_cast<const char*>(pieces.data(i)), pieces.size(i));
      const int rank = static_cast<int>(i);
      if (differs < 0 && call != mine) differs = rank;
      auto group = std::find_if(groups.begin(), groups.end(),
                                [&call](const Group& each) { return each.call == call; });
      if (group == groups.end()) group = groups.insert(groups.end(), {call, "", 0});
      constexpr int kNamed = 8;
      if (++group->count <= kNamed) {
        group->ranks += (group->count > 1 ? ", " : "") + nameOf(rank);
      }
    }
    std::string text = "ranks made different calls:";
    constexpr std::size_t kGroups = 8;
    for (std::size_t i = 0; i < groups.size() && i < kGroups; ++i) {
      const Group& group = groups[i];
      text += (i > 0 ? "; " : " ") + group.call + " by ";
      if (group.count > 1) text += std::to_string(group.count) + " ranks, ";
      text += group.ranks + (group.count > 8 ? ", ..." : "");
    }
    if (groups.size() > kGroups) text += "; and more";
    // Alike as texts: batches that differ in a later name, or caches that do.
    if (groups.size() == 1) text += ", but with other names, settings or remembered answers";
    put(report, static_cast<std::int32_t>(differs));
    putString(report, text);
  }
  auto bytes = static_cast<std::int64_t>(report.size());
  comm_.bcast(&bytes, sizeof bytes, tree_.root);
  report.resize(static_cast<std::size_t>(bytes));
  comm_.bcast(report.data(), bytes, tree_.root);
  Reader reader(report);
  const int differs = reader.get<std::int32_t>();
  throw Failure(ERR_COLLFS_DIVERGED, EPROTO, differs, reader.getString(),
                "let all ranks make the same calls in the same order, or pop the communicator "
                "around those of one rank");
}

std::string Exchange::nameOf(int rank) const {
  const auto at = static_cast<std::size_t>(rank);
  return "rank " + std::to_string(rank) + (at < hosts_.size() ? "@" + hosts_[at] : "");
}

}  // namespace walla::collfs
