// How long Exchange waits, and how it finds out who is missing.
//
// Only root counts the time ranks have to arrive: it knows from the words it has which ranks may be
// the missing ones, asks each of them directly, and those that wait somewhere in the tree answer at
// once. Whoever does not answer is not in this call. Root itself may be missing: then nobody asks,
// and the others give up after a longer time, which leaves room for root's own work.

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "../mpi/check.h"
#include "exchange.h"
#include "exchange_tags.h"
#include "yielding_wait.h"

namespace walla::collfs {

using mpi::check;

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kPingSeconds = 1.0;

/// Stays out of the way of ranks that have work to do: there may be more ranks than cores.
class Patience {
 public:
  void pause() {
    if (++turns_ < 200) {
      sched_yield();
      return;
    }
    const timespec duration{0, nanoseconds_};
    nanosleep(&duration, nullptr);
    nanoseconds_ = std::min(nanoseconds_ + nanoseconds_ / 4, 1'000'000L);
  }
  bool isLong() const { return turns_ > 50; }

 private:
  int turns_ = 0;
  long nanoseconds_ = 20'000;
};

Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// Root may have to wait for the slowest rank, ask around, and then open the file.
double limitForRoot(double seconds) { return 3 * seconds + 2 * kPingSeconds; }

bool probe(int source, int tag, MPI_Comm comm, MPI_Status& status) {
  int found = 0;
  check(MPI_Iprobe(source, tag, comm, &found, &status), "MPI_Iprobe");
  return found != 0;
}

/// The same small message to several ranks, some of which may never receive it. Tries for a while
/// to get it out: the first message between two ranks may need several steps of both.
void tell(const Bytes& message, const std::vector<int>& ranks, int tag, MPI_Comm comm) {
  // Kept for good: this is rare, and a rank may come and read it at any later time.
  auto* const copy = new Bytes(message);
  std::vector<MPI_Request> requests(ranks.size(), MPI_REQUEST_NULL);
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    check(MPI_Isend(copy->data(), static_cast<int>(copy->size()), MPI_BYTE, ranks[i], tag, comm,
                    &requests[i]),
          "MPI_Isend");
  }
  const auto deadline = after(kPingSeconds);
  Patience patience;
  while (!testAll(requests) && Clock::now() < deadline) patience.pause();
  bool sent = true;
  for (MPI_Request& request : requests) {
    if (request == MPI_REQUEST_NULL) continue;
    sent = false;
    check(MPI_Request_free(&request), "MPI_Request_free");
  }
  if (sent) delete copy;
}

Bytes bytesOf(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const std::uint8_t*>(data);
  return Bytes(from, from + bytes);
}

}  // namespace

bool Exchange::wordsAreHere() { return testAll(wordRequests_); }

void Exchange::waitForWords(const Round& round) {
  if (wordRequests_.empty()) {
    if (comm_.rank() == tree_.root && round.timeoutSeconds > 0) refuseIfOthersGaveUp(round);
    return;
  }
  if (round.timeoutSeconds <= 0) {
    waitAll(wordRequests_);
    return;
  }
  const bool atRoot = comm_.rank() == tree_.root;
  auto deadline = after(atRoot ? round.timeoutSeconds : limitForRoot(round.timeoutSeconds));
  Patience patience;
  while (!testAll(wordRequests_)) {
    if (!atRoot && patience.isLong()) listenToRoot(wordRequests_);
    if (Clock::now() > deadline) {
      if (!atRoot) {
        // A child is missing, and so is root, or it would have said so.
        MPI_Request none = MPI_REQUEST_NULL;
        giveUpRoot(round, none);
      }
      const std::vector<int> missing = silentOf(unaccounted());
      if (!missing.empty()) giveUp(round, missing);
      // They are all here by now, and their words on the way.
      deadline = after(round.timeoutSeconds);
    }
    patience.pause();
  }
  if (atRoot) refuseIfOthersGaveUp(round);
}

void Exchange::waitForAnswer(const Round& round, MPI_Request& request) {
  if (round.timeoutSeconds <= 0) {
    wait(request);
    return;
  }
  const auto deadline = after(limitForRoot(round.timeoutSeconds));
  Patience patience;
  std::vector<MPI_Request> pending{request};
  while (!testAll(pending)) {
    if (patience.isLong()) listenToRoot(pending);
    if (Clock::now() > deadline) giveUpRoot(round, pending[0]);
    patience.pause();
  }
  request = MPI_REQUEST_NULL;
}

/// Ranks whose words may be missing: those below children that have not sent theirs.
std::vector<int> Exchange::unaccounted() const {
  std::vector<int> state(nodeOf_.size(), -1);  // unknown, 0 accounted for, 1 not
  for (std::size_t i = 0; i < children_.size(); ++i) {
    state[static_cast<std::size_t>(children_[i])] = wordRequests_[i] == MPI_REQUEST_NULL ? 0 : 1;
  }
  const std::vector<int> parents = parentsOf(nodeOf_, tree_.root);
  std::vector<int> ranks;
  for (int rank = 0; rank < static_cast<int>(parents.size()); ++rank) {
    int above = rank;
    while (above != tree_.root && state[static_cast<std::size_t>(above)] < 0) {
      above = parents[static_cast<std::size_t>(above)];
    }
    if (above != tree_.root && state[static_cast<std::size_t>(above)] == 1) ranks.push_back(rank);
  }
  return ranks;
}

/// Asks ranks whether they are in this call. @returns those that do not say so
std::vector<int> Exchange::silentOf(const std::vector<int>& ranks) {
  const Ping ping{sequence_, 0};
  tell(bytesOf(&ping, sizeof ping), ranks, kTagPing, comm_.handle());
  std::vector<int> silent = ranks;
  const auto deadline = after(kPingSeconds);
  Patience patience;
  while (!silent.empty() && Clock::now() < deadline) {
    MPI_Status status;
    if (!probe(MPI_ANY_SOURCE, kTagPong, comm_.handle(), status)) {
      patience.pause();
      continue;
    }
    Ping pong;
    check(MPI_Recv(&pong, sizeof pong, MPI_BYTE, status.MPI_SOURCE, kTagPong, comm_.handle(),
                   MPI_STATUS_IGNORE),
          "MPI_Recv");
    if (pong.sequence != sequence_) continue;
    silent.erase(std::remove(silent.begin(), silent.end(), status.MPI_SOURCE), silent.end());
  }
  return silent;
}

/// On root: tells everybody, also those that come later.
void Exchange::giveUp(const Round& round, const std::vector<int>& missing) {
  char limit[32];
  std::snprintf(limit, sizeof limit, "%g", round.timeoutSeconds);
  std::string text = round.call.text() + ": ";
  constexpr std::size_t kNamed = 16;
  for (std::size_t i = 0; i < missing.size() && i < kNamed; ++i) {
    text += (i > 0 ? ", " : "") + nameOf(missing[i]);
  }
  if (missing.size() > kNamed) text += " and " + std::to_string(missing.size() - kNamed) + " more";
  text += std::string(missing.size() == 1 ? " has" : " have") + " not made this call within " +
          limit + " s";
  Bytes bytes;
  put(bytes, static_cast<std::int32_t>(missing[0]));
  putString(bytes, text);
  std::vector<int> others;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    if (rank != comm_.rank()) others.push_back(rank);
  }
  tell(bytes, others, kTagMissing, comm_.handle());
  cancel(wordRequests_);
  throw Failure(ERR_COLLFS_TIMEOUT, ETIMEDOUT, missing[0], text,
                "look what that rank does instead, or allow more time by collfs_set_timeout");
}

void Exchange::giveUpRoot(const Round& round, MPI_Request& request) {
  const Ping gone{sequence_, 1};
  tell(bytesOf(&gone, sizeof gone), {tree_.root}, kTagPong, comm_.handle());
  std::vector<MPI_Request> pending{request};
  cancel(pending);
  request = MPI_REQUEST_NULL;
  cancel(wordRequests_);
  char limit[32];
  std::snprintf(limit, sizeof limit, "%g", limitForRoot(round.timeoutSeconds));
  throw Failure(ERR_COLLFS_TIMEOUT, ETIMEDOUT, tree_.root,
                round.call.text() + ": root, rank " + std::to_string(tree_.root) +
                    ", has not answered within " + limit + " s",
                "look whether root makes this call, and whether its file system hangs");
}

/// On root, which came after others had given it up.
void Exchange::refuseIfOthersGaveUp(const Round& round) {
  MPI_Status status;
  while (probe(MPI_ANY_SOURCE, kTagPong, comm_.handle(), status)) {
    Ping pong;
    check(MPI_Recv(&pong, sizeof pong, MPI_BYTE, status.MPI_SOURCE, kTagPong, comm_.handle(),
                   MPI_STATUS_IGNORE),
          "MPI_Recv");
    if (pong.gaveUp != 0 && pong.sequence == sequence_) giveUp(round, {tree_.root});
  }
}

/// Elsewhere, while waiting: answers root's question, or learns that the call has failed.
void Exchange::listenToRoot(std::vector<MPI_Request>& pending) {
  MPI_Status status;
  if (probe(tree_.root, kTagPing, comm_.handle(), status)) {
    Ping ping;
    check(MPI_Recv(&ping, sizeof ping, MPI_BYTE, tree_.root, kTagPing, comm_.handle(),
                   MPI_STATUS_IGNORE),
          "MPI_Recv");
    tell(bytesOf(&ping, sizeof ping), {tree_.root}, kTagPong, comm_.handle());
  }
  if (!probe(tree_.root, kTagMissing, comm_.handle(), status)) return;
  int count = 0;
  check(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
  Bytes bytes(static_cast<std::size_t>(count));
  check(MPI_Recv(bytes.data(), count, MPI_BYTE, tree_.root, kTagMissing, comm_.handle(),
                 MPI_STATUS_IGNORE),
        "MPI_Recv");
  cancel(pending);
  Reader reader(bytes);
  const int missing = reader.get<std::int32_t>();
  throw Failure(ERR_COLLFS_TIMEOUT, ETIMEDOUT, missing, reader.getString(),
                "look what that rank does instead, or allow more time by collfs_set_timeout");
}

void Exchange::cancel(std::vector<MPI_Request>& requests) {
  for (MPI_Request& request : requests) {
    if (request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
  }
}

}  // namespace walla::collfs
