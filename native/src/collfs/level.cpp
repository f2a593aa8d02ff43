#include "level.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "../mpi/check.h"
#include "../posix_error.h"

namespace walla::collfs {
namespace {

Trouble local(int errorNumber) {
  Trouble trouble;
  trouble.kind = errorNumber == 0 ? Trouble::kNone : Trouble::kLocal;
  trouble.errorNumber = errorNumber;
  return trouble;
}

/// Duplicating waits for all ranks without a limit; so they meet before, within one.
void meet(MPI_Comm comm, double seconds) {
  if (seconds <= 0) return;
  MPI_Request request = MPI_REQUEST_NULL;
  mpi::check(MPI_Ibarrier(comm, &request), "MPI_Ibarrier");
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    int done = 0;
    mpi::check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return;
    if (std::chrono::steady_clock::now() - start > std::chrono::duration<double>(seconds)) {
      throw Failure(ERR_COLLFS_TIMEOUT, ETIMEDOUT, -1,
                    "push: not all ranks of the communicator have pushed it within " +
                        std::to_string(seconds) + " s",
                    "collfs_comm_push is collective over the communicator it is given");
    }
    usleep(100);
  }
}

/// @returns errno or 0
int makeEmptyDirectory(UniqueFd& directory) {
  int code = ENOENT;
  const char* const places[] = {"/dev/shm", "/tmp", "/run", "/var/tmp", getenv("TMPDIR")};
  for (const char* const place : places) {
    if (place == nullptr) continue;
    std::string name = std::string(place) + "/collfs-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      code = errno;
      continue;
    }
    directory = UniqueFd(open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    code = directory.valid() ? 0 : errno;
    rmdir(name.c_str());
    if (code == 0) return 0;
  }
  return code;
}

std::vector<int> nodesOf(const mpi::Communicator& comm) {
  const mpi::Communicator node = comm.splitByNode();
  std::int64_t first = comm.rank();
  node.bcast(&first, sizeof first, 0);
  auto all = comm.allgather(&first, sizeof first);
  std::vector<int> nodes(all.count());
  for (std::size_t rank = 0; rank < nodes.size(); ++rank) {
    std::memcpy(&first, all.data(rank), sizeof first);
    nodes[rank] = static_cast<int>(first);
  }
  return nodes;
}

void agreeOnRoot(const mpi::Communicator& comm, int root, bool ready) {
  std::int64_t values[] = {root, -root, ready ? comm.size() : comm.rank()};
  comm.allreduce(values, 3, mpi::Op::kMin);
  if (values[2] < comm.size()) {
    throw Failure(ERR_COLLFS_STATE, EINVAL, static_cast<int>(values[2]),
                  "push: rank " + std::to_string(values[2]) + " has not called collfs_init",
                  "call collfs_init on every rank first");
  }
  if (values[0] != -values[1]) {
    throw Failure(ERR_COLLFS_STATE, EINVAL, -1,
                  "push: ranks disagree on root: from " + std::to_string(values[0]) + " to " +
                      std::to_string(-values[1]),
                  "pass the same root on all ranks");
  }
  if (root < 0 || root >= comm.size()) {
    throw Failure(
        ERR_COLLFS_STATE, EINVAL, -1,
        "push: root " + std::to_string(root) + " is no rank of " + std::to_string(comm.size()),
        "pass a root from 0 to " + std::to_string(comm.size() - 1));
  }
}

const Call kPush{Operation::push, ""};

}  // namespace

void throwFailure(const Call& call, const Trouble& trouble) {
  if (trouble.kind == Trouble::kNone || trouble.kind == Trouble::kFileSystem) return;
  const int code = trouble.errorNumber;
  const std::string where = " on rank " + std::to_string(trouble.rank) +
                            (trouble.host[0] != '\0' ? "@" : "") + trouble.host;
  if (trouble.kind == Trouble::kChanged) {
    throw Failure(ERR_COLLFS_CHANGED, code, trouble.rank,
                  call.text() + ": the file became shorter while it was read" + where,
                  "open it when nobody writes to it");
  }
  std::string hint;
  if (code == EMFILE) hint = "raise the limit of open files on that rank (ulimit -n)";
  if (code == ENOMEM || code == ENOSPC) hint = "that node has too little free memory for the file";
  if (call.operation == Operation::push && (code == EROFS || code == EACCES || code == ENOENT)) {
    hint = "let /dev/shm, /tmp, /run, /var/tmp or $TMPDIR be writable on that node";
  }
  throw Failure(ERR_COLLFS_LOCAL, code, trouble.rank,
                call.text() + ": " + errnoName(code) + ": " + std::strerror(code) + where, hint);
}

Level::Level(MPI_Comm comm, int root, bool ready, const Settings& settings)
    : comm_((meet(comm, settings.timeoutSeconds), mpi::Communicator::duplicate(comm))),
      exchange_(comm_),
      thread_(pthread_self()),
      settings_(settings) {
  agreeOnRoot(comm_, root, ready);
  settle(root, nodesOf(comm_));
}

Level::~Level() {
  if (!broken_) return;
  // Its members would free communicators that not all ranks free.
  comm_.forget();
  if (heads_) heads_->forget();
}

void Level::settle(int root, std::vector<int> nodeOf) {
  for (bool good = false; !good;) {
    exchange_.use(nodeOf, root);
    const Tree& tree = exchange_.tree();
    const int key = rank() == root ? 0 : rank() + 1;
    heads_ = comm_.split(tree.head ? std::optional<int>(0) : std::nullopt, key);
    good = tryDescriptors(nodeOf);
  }
  nodeOf_ = std::move(nodeOf);
}

bool Level::tryDescriptors(std::vector<int>& nodeOf) {
  nextCopy_ = NextCopy();
  int code = emptyDirectory_.valid() ? 0 : makeEmptyDirectory(emptyDirectory_);
  try {
    if (isHead() && !memory_) memory_.emplace();
  } catch (const std::bad_alloc&) {
    code = ENOMEM;
  }
  if (code == 0 && isHead()) code = nextCopy_.prepare(true, ownDescriptors_);
  const Answer answer = exchange(kPush, local(code), true, false, nullptr, [this](Answer& each) {
    nextCopy_.announce(each.forNode);
    put(each.forNode, nextCopy_.inode());
  });
  throwFailure(kPush, answer.trouble);
  if (!isHead()) {
    Reader reader(answer.forNode);
    nextCopy_.hear(reader);
    code = nextCopy_.prepare(false, headDescriptors_);
    // In another PID namespace it may be another process's.
    if (code == 0 && nextCopy_.inode() != reader.get<ino_t>()) code = ENOENT;
  }
  const bool scarce = code == EMFILE || code == ENFILE || code == ENOMEM;
  agree(kPush, local(scarce ? code : 0));
  const std::uint8_t apart = code != 0 ? 1 : 0;
  auto all = comm_.allgather(&apart, 1);
  bool good = true;
  for (std::size_t rank = 0; rank < all.count(); ++rank) {
    if (*all.data(rank) == 0) continue;
    // This one cannot open descriptors of its head, so it is a node of its own.
    nodeOf[rank] = size() + static_cast<int>(rank);
    good = false;
  }
  return good;
}

Answer Level::exchange(const Call& call, const Trouble& mine, bool gather, bool limited,
                       std::function<void(Answer&)> atRoot, std::function<void(Answer&)> atHead,
                       std::function<void()> meanwhile) {
  if (broken_) {
    throw Failure(codeBroken_, codeBroken_ == ERR_COLLFS_TIMEOUT ? ETIMEDOUT : EIO, -1,
                  "this communicator is out of use since " + whyBroken_, "pop it");
  }
  const std::uint64_t seed = 2 * remembered_.epoch() + (remembered_.on() ? 1 : 0);
  try {
    return exchange_.run({call, seed, mine, gather, limited ? settings_.timeoutSeconds.load() : 0,
                          std::move(atRoot), std::move(atHead), std::move(meanwhile)});
  } catch (const Failure& failure) {
    if (failure.code() == ERR_COLLFS_TIMEOUT) {
      broken_ = true;
      codeBroken_ = failure.code();
      whyBroken_ = failure.what();
    }
    throw;
  } catch (const std::exception& error) {
    broken_ = true;
    codeBroken_ = ERR_COLLFS_MPI;
    whyBroken_ = error.what();
    throw;
  }
}

Answer Level::round(const Call& call, const Trouble& mine, bool gather,
                    std::function<void(Answer&)> atRoot, std::function<void(Answer&)> atHead,
                    std::function<void()> meanwhile) {
  return exchange(call, mine, gather, true, std::move(atRoot), std::move(atHead),
                  std::move(meanwhile));
}

Trouble Level::conclude(const Call& call, const Trouble& mine) {
  const Answer answer = exchange(call, mine, true, false, nullptr, nullptr);
  throwFailure(call, answer.trouble);
  return answer.trouble;
}

void Level::agree(const Call& call, const Trouble& mine) { conclude(call, mine); }

Bytes Level::ask(const Call& call, const std::function<Bytes()>& work) {
  Bytes blob;
  const Answer answer = round(
      call, {}, settings_.checked,
      [&](Answer& out) {
        blob = work();
        const bool fits = blob.size() + 2 * sizeof(std::uint64_t) <= kLargestAnswer;
        put(out.common, static_cast<std::uint64_t>(fits ? 0 : blob.size()));
        if (fits) out.common.insert(out.common.end(), blob.begin(), blob.end());
      },
      nullptr);
  throwFailure(call, answer.trouble);
  Reader reader(answer.common);
  const auto later = reader.get<std::uint64_t>();
  return later == 0 ? reader.rest() : fetch(call, blob, later);
}

Bytes Level::fetch(const Call& call, const Bytes& atRoot, std::uint64_t bytes) {
  Bytes blob;
  int code = 0;
  try {
    if (this->atRoot()) {
      blob = atRoot;
    } else {
      blob.resize(bytes);
    }
  } catch (const std::bad_alloc&) {
    code = ENOMEM;
  }
  agree(call, local(code));
  comm_.bcast(blob.data(), static_cast<std::int64_t>(bytes), root());
  return blob;
}

void Level::refuse(const Call& call, bool compared, int errorNumber) {
  round(call, local(errorNumber), compared || settings_.checked, nullptr, nullptr);
}

void Level::setRoot(int root) {
  const Call call{Operation::setRoot, "", root};
  throwFailure(call, round(call, {}, true, nullptr, nullptr).trouble);
  if (root < 0 || root >= size()) {
    throw Failure(
        ERR_COLLFS_STATE, EINVAL, -1,
        "set_root: root " + std::to_string(root) + " is no rank of " + std::to_string(size()),
        "pass a root from 0 to " + std::to_string(size() - 1));
  }
  if (root != this->root()) settle(root, nodeOf_);
}

void Level::pop() {
  if (broken_) return;
  const Call call{Operation::pop, ""};
  throwFailure(call, round(call, {}, true, nullptr, nullptr).trouble);
}

Trouble Level::send(const Body& body) const { return transfer(*heads_, body, *memory_); }

}  // namespace walla::collfs
