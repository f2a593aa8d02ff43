#include "stand_ins.h"

#include <mpi.h>
#include <sys/mman.h>
#include <simgrid/s4u.hpp>

#include <algorithm>
#include <map>
#include <utility>

#include "../../native/src/mapping.h"
#include "../../native/src/mpi/wait_any.h"
#include "../../native/src/posix_error.h"
#include "../../native/src/trailing_hash.h"

namespace simulated {

StandIns& standIns() {
  static StandIns instance;
  return instance;
}

namespace {

double now() { return simgrid::s4u::Engine::get_clock(); }

std::uint8_t* allocate(std::uint64_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) walla::throwErrno("mmap", "memory of a rank");
  return static_cast<std::uint8_t*>(memory);
}

/// Where each region of a check begins, and what has been received in it: begin to end.
struct Region {
  std::uint64_t bytes;
  std::map<std::uint64_t, std::uint64_t> received;
};
std::map<const std::uint8_t*, Region>& regions() {
  static std::map<const std::uint8_t*, Region> all;
  return all;
}

void note(const void* buffer, std::uint64_t bytes) {
  StandIns& own = standIns();
  const auto* at = static_cast<const std::uint8_t*>(buffer);
  auto found = regions().upper_bound(at);
  if (bytes == 0 || found == regions().begin()) return;
  --found;
  const auto begin = static_cast<std::uint64_t>(at - found->first);
  Region& region = found->second;
  if (begin >= region.bytes) return;  // not for a file: a message of a small collective
  const std::uint64_t end = begin + bytes;
  auto next = region.received.lower_bound(begin);
  const bool meetsNext = next != region.received.end() && next->first < end;
  const bool meetsLast = next != region.received.begin() && std::prev(next)->second > begin;
  if (end > region.bytes || meetsNext || meetsLast) ++own.misplaced;
  region.received[begin] = end;
  own.posted += static_cast<std::int64_t>(bytes);
}

}  // namespace
}  // namespace simulated

// In the place of native/src/mapping.cpp. All ranks write the same bytes to one region, so that a
// message has nothing to copy.
namespace walla {

Mapping Mapping::readWrite(int fd, uint64_t bytes) { return Mapping(fd, bytes, 0); }

Mapping::Mapping(int, uint64_t bytes, int) : bytes_(bytes) {
  if (simulated::standIns().check) {
    data_ = simulated::allocate(bytes);
    simulated::regions()[data_].bytes = bytes;
    return;
  }
  static std::uint8_t* const shared = simulated::allocate(bytes);
  data_ = shared;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Mapping::makePresent(uint64_t, uint64_t) const noexcept {}

Mapping::~Mapping() {
  if (data_ == nullptr || !simulated::standIns().check) return;
  simulated::regions().erase(data_);
  munmap(data_, bytes_);
}

// In the place of native/src/trailing_hash.cpp. The thread that follows is simulated by the time at
// which it would be done with what has arrived so far, were there one thread or several: arrived_
// for the bytes, and clocks for each object.

namespace {
using Clocks = std::array<double, simulated::StandIns::kThreads.size()>;
std::map<const TrailingHash*, Clocks>& clocks() {
  static std::map<const TrailingHash*, Clocks> all;
  return all;
}
}  // namespace

TrailingHash::TrailingHash(const uint8_t* region, uint64_t from, uint64_t to)
    : from_(from), to_(std::max(from, to)), digest_(region + from, to_ - from), arrived_(from) {}

TrailingHash::~TrailingHash() { clocks().erase(this); }

void TrailingHash::advance(uint64_t arrived) {
  if (arrived <= arrived_) return;
  const auto bytes = static_cast<double>(arrived - arrived_);
  Clocks& own = clocks()[this];
  for (size_t i = 0; i < own.size(); ++i) {
    const auto threads = static_cast<double>(simulated::StandIns::kThreads[i]);
    own[i] =
        std::max(own[i], simulated::now()) + bytes / (threads * simulated::standIns().digestSpeed);
  }
  arrived_ = arrived;
}

std::string TrailingHash::finish() {
  simulated::StandIns& own = simulated::standIns();
  own.arrived = std::max(own.arrived, simulated::now());
  const Clocks& mine = clocks()[this];
  for (size_t i = 0; i < mine.size(); ++i) {
    own.digested[i] = std::max({own.digested[i], simulated::now(), mine[i]});
  }
  if (!own.check) return "";
  digest_.hash(0, digest_.pieces());
  return digest_.finishHex();
}

// In the place of native/src/mpi/wait_any.cpp. Each test would take time of the simulation; a
// simulated rank has a core of its own.

namespace mpi {

AnyWait::AnyWait() noexcept : preempted_(0), sleepsNext_(0) {}

int AnyWait::operator()(int count, MPI_Request* requests, MPI_Status* status) {
  int which = 0;
  MPI_Waitany(count, requests, &which, status);
  return which;
}

}  // namespace mpi
}  // namespace walla

// In the place of some of MPI's functions, by its profiling interface.
extern "C" {

// A duplicate costs 4 bytes for each rank on each rank, here in one process. There is only walla.
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm* copy) {
  *copy = comm;
  return MPI_SUCCESS;
}

// SimGrid's sends a message from each rank to each; of its blocking ones simulate.cpp chooses one.
int MPI_Iallreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request* request) {
  *request = MPI_REQUEST_NULL;
  return PMPI_Allreduce(from, to, count, type, op, comm);
}

int MPI_Irecv(void* buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
              MPI_Request* request) {
  if (simulated::standIns().check) simulated::note(buffer, static_cast<std::uint64_t>(count));
  return PMPI_Irecv(buffer, count, type, source, tag, comm, request);
}
}
