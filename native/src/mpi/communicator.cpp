#include "communicator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../small_broadcast.h"
#include "check.h"
#include "environment.h"
#include "roll_call.h"
#include "wait.h"

namespace walla::mpi {

std::int64_t messageLimit = std::int64_t{1} << 30;

namespace {

constexpr int kGatherTag = 7;

MPI_Op toMpi(Op op) {
  switch (op) {
    case Op::kMin:
      return MPI_MIN;
    case Op::kMax:
      return MPI_MAX;
    default:
      return MPI_SUM;
  }
}

int piece(std::int64_t left) { return static_cast<int>(std::min(left, messageLimit)); }

/// MPI may refuse a null buffer even for no bytes; an empty Buffer has one.
void* buffer(const void* data) {
  static char none;
  return data == nullptr ? &none : const_cast<void*>(data);
}

}  // namespace

Pieces::Pieces(const std::vector<std::int64_t>& sizes) : offsets_(sizes.size() + 1) {
  for (std::size_t i = 0; i < sizes.size(); ++i) offsets_[i + 1] = offsets_[i] + sizes[i];
  // Not value-initialized: every byte is about to be received.
  bytes_.reset(new std::uint8_t[static_cast<std::size_t>(offsets_.back()) + 1]);
}

Communicator::Communicator(MPI_Comm handle) : handle_(handle) {
  check(MPI_Comm_set_errhandler(handle_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)),
      rank_(other.rank_),
      size_(other.size_) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(rank_, other.rank_);
  std::swap(size_, other.size_);
  return *this;
}

Communicator::~Communicator() {
  int finalized = 0;
  if (handle_ == MPI_COMM_NULL) return;
  if (MPI_Finalized(&finalized) == MPI_SUCCESS && finalized == 0) MPI_Comm_free(&handle_);
}

Communicator Communicator::duplicate(MPI_Comm original) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(original, &copy), "MPI_Comm_dup");
  return Communicator(copy);
}

void Communicator::free() {
  if (handle_ == MPI_COMM_NULL || isFinalized()) return;
  check(MPI_Comm_free(&handle_), "MPI_Comm_free");
  handle_ = MPI_COMM_NULL;
}

// There is no nonblocking split. A barrier before it lets ranks wait for the last one in our way.

std::optional<Communicator> Communicator::split(std::optional<int> color, int key) const {
  barrier();
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split(handle_, color.value_or(MPI_UNDEFINED), key, &part), "MPI_Comm_split");
  if (part == MPI_COMM_NULL) return std::nullopt;
  return Communicator(part);
}

Communicator Communicator::splitByNode() const {
  barrier();
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split_type(handle_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &part),
        "MPI_Comm_split_type");
  return Communicator(part);
}

// barrier and allreduce always use the nonblocking call: MPI does not match a blocking collective
// with a nonblocking one, and with this each rank may choose for itself how it waits.

void Communicator::barrier(bool patient) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Ibarrier(handle_, &request), "MPI_Ibarrier");
  wait(request, patient);
}

void Communicator::bcast(void* data, std::int64_t bytes, int root) const {
  auto* at = static_cast<std::uint8_t*>(buffer(data));
  if (bytes <= kSmallBroadcastBytes) {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibcast(at, static_cast<int>(bytes), MPI_BYTE, root, handle_, &request), "MPI_Ibcast");
    wait(request, false);
    return;
  }
  for (std::int64_t left = bytes; left > 0;) {
    const int part = piece(left);
    check(MPI_Bcast(at, part, MPI_BYTE, root, handle_), "MPI_Bcast");
    at += part;
    left -= part;
  }
}

void Communicator::reduce(void* values, std::int64_t count, std::size_t width, MPI_Datatype type,
                          Op op, bool patient) const {
  auto* at = static_cast<std::uint8_t*>(buffer(values));
  const std::int64_t most = std::max<std::int64_t>(1, messageLimit / std::int64_t(width));
  for (std::int64_t left = count; left > 0;) {
    const int part = static_cast<int>(std::min(left, most));
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallreduce(MPI_IN_PLACE, at, part, type, toMpi(op), handle_, &request),
          "MPI_Iallreduce");
    wait(request, patient);
    at += std::size_t(part) * width;
    left -= part;
  }
}

void Communicator::allreduce(double* values, std::int64_t count, Op op, bool patient) const {
  reduce(values, count, sizeof(double), MPI_DOUBLE, op, patient);
}

void Communicator::allreduce(std::int64_t* values, std::int64_t count, Op op, bool patient) const {
  reduce(values, count, sizeof(std::int64_t), MPI_INT64_T, op, patient);
}

void Communicator::agree(double* values, int count, std::int64_t timeoutMs) const {
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Iallreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, MPI_MIN, handle_, &request),
        "MPI_Iallreduce");
  waitOrCallRoll(request, handle_, timeoutMs);
}

Pieces Communicator::gather(const void* data, std::int64_t bytes, int root) const {
  const bool atRoot = rank_ == root;
  std::vector<std::int64_t> sizes(atRoot ? std::size_t(size_) : 0);
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Igather(&bytes, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, root, handle_, &request),
        "MPI_Igather");
  wait(request, false);
  Pieces pieces;
  if (atRoot) pieces = Pieces(sizes);

  // Gatherv's counts and offsets are ints, so how to go on depends on the total, which root knows.
  std::int64_t total = pieces.total();
  bcast(&total, sizeof total, root);
  if (total <= messageLimit) {
    std::vector<int> counts(sizes.begin(), sizes.end());
    std::vector<int> offsets(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) offsets[i] = static_cast<int>(pieces.offset(i));
    check(MPI_Gatherv(buffer(data), static_cast<int>(bytes), MPI_BYTE,
                      atRoot ? pieces.data(0) : nullptr, counts.data(), offsets.data(), MPI_BYTE,
                      root, handle_),
          "MPI_Gatherv");
    return pieces;
  }

  if (!atRoot) {
    auto* at = static_cast<std::uint8_t*>(buffer(data));
    for (std::int64_t left = bytes; left > 0;) {
      const int part = piece(left);
      check(MPI_Send(at, part, MPI_BYTE, root, kGatherTag, handle_), "MPI_Send");
      at += part;
      left -= part;
    }
    return pieces;
  }
  if (bytes > 0) std::memcpy(pieces.data(std::size_t(root)), data, std::size_t(bytes));
  for (int source = 0; source < size_; ++source) {
    if (source == root) continue;
    std::uint8_t* at = pieces.data(std::size_t(source));
    for (std::int64_t left = sizes[std::size_t(source)]; left > 0;) {
      const int part = piece(left);
      check(MPI_Recv(at, part, MPI_BYTE, source, kGatherTag, handle_, MPI_STATUS_IGNORE),
            "MPI_Recv");
      at += part;
      left -= part;
    }
  }
  return pieces;
}

Pieces Communicator::allgather(const void* data, std::int64_t bytes) const {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(size_));
  MPI_Request request = MPI_REQUEST_NULL;
  check(MPI_Iallgather(&bytes, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, handle_, &request),
        "MPI_Iallgather");
  wait(request, false);
  Pieces pieces(sizes);
  if (pieces.total() <= messageLimit) {
    std::vector<int> counts(sizes.begin(), sizes.end());
    std::vector<int> offsets(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) offsets[i] = static_cast<int>(pieces.offset(i));
    check(MPI_Allgatherv(buffer(data), static_cast<int>(bytes), MPI_BYTE, pieces.data(0),
                         counts.data(), offsets.data(), MPI_BYTE, handle_),
          "MPI_Allgatherv");
    return pieces;
  }
  if (bytes > 0) std::memcpy(pieces.data(std::size_t(rank_)), data, std::size_t(bytes));
  for (int root = 0; root < size_; ++root) {
    bcast(pieces.data(std::size_t(root)), sizes[std::size_t(root)], root);
  }
  return pieces;
}

}  // namespace walla::mpi
