// A communicator with the collective operations walla needs, for byte counts of any size.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace walla::mpi {

enum class Op { kSum, kMin, kMax };

/// One piece of bytes per rank, stored one after the other.
class Pieces {
 public:
  Pieces() = default;
  explicit Pieces(const std::vector<std::int64_t>& sizes);

  std::size_t count() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  std::int64_t total() const { return offsets_.empty() ? 0 : offsets_.back(); }
  std::int64_t offset(std::size_t rank) const { return offsets_[rank]; }
  std::size_t size(std::size_t rank) const {
    return static_cast<std::size_t>(offsets_[rank + 1] - offsets_[rank]);
  }
  std::uint8_t* data(std::size_t rank) { return bytes_.get() + offsets_[rank]; }

 private:
  std::vector<std::int64_t> offsets_;
  std::unique_ptr<std::uint8_t[]> bytes_;
};

/// Owns an MPI communicator whose errors are returned. MPI_Comm_free is collective, so destroy or
/// free it on all its ranks at the same point of the program. All methods but rank, size and
/// forget are collective. Once MPI is finalized the destructor does nothing.
class Communicator {
 public:
  /// A duplicate of `original`, whose messages never meet those of the program's own MPI code.
  static Communicator duplicate(MPI_Comm original);

  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&& other) noexcept;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  ~Communicator();

  int rank() const { return rank_; }
  int size() const { return size_; }
  MPI_Comm handle() const { return handle_; }

  void free();
  /// Gives the handle up without freeing it (for owners that cannot act collectively, such as a
  /// garbage collector); MPI_Finalize reclaims it.
  void forget() { handle_ = MPI_COMM_NULL; }

  Communicator dup() const { return duplicate(handle_); }
  /// Nothing on ranks that give no color. `color` must not be negative.
  std::optional<Communicator> split(std::optional<int> color, int key) const;
  /// Ranks that share memory (one compute node), in the order of this communicator.
  Communicator splitByNode() const;

  void barrier(bool patient = false) const;
  /// All ranks must pass the same byte count.
  void bcast(void* data, std::int64_t bytes, int root) const;
  void allreduce(double* values, std::int64_t count, Op op, bool patient = false) const;
  /// The least of each value over all ranks; waits asleep, and names who does not come
  /// (waitOrCallRoll).
  void agree(double* values, int count, std::int64_t timeoutMs) const;
  void allreduce(std::int64_t* values, std::int64_t count, Op op, bool patient = false) const;
  /// Byte counts may differ between ranks. Empty except on root.
  Pieces gather(const void* data, std::int64_t bytes, int root) const;
  Pieces allgather(const void* data, std::int64_t bytes) const;

 private:
  explicit Communicator(MPI_Comm handle);

  void reduce(void* values, std::int64_t count, std::size_t width, MPI_Datatype type, Op op,
              bool patient) const;

  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

/// Largest message in bytes; MPI counts are ints, so it stays below 2 GiB. Changed only by tests.
extern std::int64_t messageLimit;

}  // namespace walla::mpi
