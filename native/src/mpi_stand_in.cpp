#include "mpi_stand_in.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>
#include <vector>

#include "small_broadcast.h"

namespace walla {
namespace {

constexpr int kThreadSerialized = 2;  // in both
constexpr long kSleepNanoseconds = 1'000'000;

/// Handles are addresses of objects in Open MPI and numbers in MPICH's ABI, and are passed so.
template <typename Handle>
struct Handles {
  Handle world, noInfo, least, sum, doubles, bytes;
  int sharedMemory;
};

template <typename Handle>
class StandIn : public MpiStandIn {
 public:
  StandIn(void* library, const Handles<Handle>& handles) : handles_(handles) {
    find(library, "MPI_Init_thread", initThread_);
    find(library, "MPI_Comm_dup", commDup_);
    find(library, "MPI_Comm_split_type", commSplitType_);
    find(library, "MPI_Comm_rank", commRank_);
    find(library, "MPI_Comm_size", commSize_);
    find(library, "MPI_Iallreduce", iallreduce_);
    find(library, "MPI_Ibarrier", ibarrier_);
    find(library, "MPI_Test", test_);
    find(library, "MPI_Bcast", bcast_);
    find(library, "MPI_Ibcast", ibcast_);
    find(library, "MPI_Finalize", finalize_);
    find(library, "MPI_Abort", abort_);
  }

  bool isWhole() const { return whole_; }

  void initialize() override {
    int level = 0;
    initThread_(nullptr, nullptr, kThreadSerialized, &level);
    process_ = getpid();
    on_exit([](int status, void* self) { static_cast<StandIn*>(self)->end(status); }, this);
  }

  void makeCommunicators() override {
    Handle node;
    commDup_(handles_.world, &comm_);
    commRank_(comm_, &rank_);
    commSize_(comm_, &size_);
    barrier(comm_);
    commSplitType_(comm_, handles_.sharedMemory, rank_, handles_.noInfo, &node);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void least(double* values, int count) override { reduce(values, count, handles_.least); }
  void sum(double* values, int count) override { reduce(values, count, handles_.sum); }

  void bcast(void* data, int bytes, int root) override {
    if (bytes > kSmallBroadcastBytes) {
      bcast_(data, bytes, handles_.bytes, root, comm_);
      return;
    }
    static char nothing;
    Handle request;
    ibcast_(bytes > 0 ? data : &nothing, bytes, handles_.bytes, root, comm_, &request);
    wait(request);
  }

  void failQuietly() override { quietFailure_ = true; }

 private:
  template <typename Function>
  void find(void* library, const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    whole_ = whole_ && function != nullptr;
  }

  void reduce(double* values, int count, Handle op) {
    const std::vector<double> mine(values, values + count);
    Handle request;
    iallreduce_(mine.data(), values, count, handles_.doubles, op, comm_, &request);
    wait(request);
  }

  void barrier(Handle comm) {
    Handle request;
    if (ibarrier_(comm, &request) == 0) wait(request);
  }

  void wait(Handle request) {
    alignas(16) char status[256];  // longer than anybody's
    for (int done = 0; test_(&request, &done, status) == 0 && done == 0;) {
      const timespec duration{0, kSleepNanoseconds};
      nanosleep(&duration, nullptr);
    }
  }

  /// As in mpi/environment.cpp.
  void end(int status) {
    if (getpid() != process_) return;
    if (status != 0 && !quietFailure_) {
      abort_(handles_.world, status);
      return;
    }
    barrier(handles_.world);
    finalize_();
  }

  const Handles<Handle> handles_;
  bool whole_ = true;
  bool quietFailure_ = false;
  pid_t process_ = 0;
  Handle comm_{};
  int rank_ = 0;
  int size_ = 1;

  int (*initThread_)(int*, char***, int, int*);
  int (*commDup_)(Handle, Handle*);
  int (*commSplitType_)(Handle, int, int, Handle, Handle*);
  int (*commRank_)(Handle, int*);
  int (*commSize_)(Handle, int*);
  int (*iallreduce_)(const void*, void*, int, Handle, Handle, Handle, Handle*);
  int (*ibarrier_)(Handle, Handle*);
  int (*test_)(Handle*, int*, void*);
  int (*bcast_)(void*, int, Handle, int, Handle);
  int (*ibcast_)(void*, int, Handle, int, Handle, Handle*);
  int (*finalize_)();
  int (*abort_)(Handle, int);
};

void* open(std::initializer_list<const char*> names) {
  for (const char* const name : names) {
    void* const library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (library != nullptr) return library;
  }
  return nullptr;
}

template <typename Handle>
std::unique_ptr<MpiStandIn> wholeOrNone(void* library, const Handles<Handle>& handles) {
  auto standIn = std::make_unique<StandIn<Handle>>(library, handles);
  if (!standIn->isWhole()) return nullptr;
  return standIn;
}

std::unique_ptr<MpiStandIn> openMpi() {
  void* const library = open({"libmpi.so.40"});
  if (library == nullptr) return nullptr;
  bool whole = true;
  const auto object = [&](const char* name) {
    void* const address = dlsym(library, name);
    whole = whole && address != nullptr;
    return address;
  };
  const Handles<void*> handles{object("ompi_mpi_comm_world"),
                               object("ompi_mpi_info_null"),
                               object("ompi_mpi_op_min"),
                               object("ompi_mpi_op_sum"),
                               object("ompi_mpi_double"),
                               object("ompi_mpi_byte"),
                               0};
  return whole ? wholeOrNone(library, handles) : nullptr;
}

std::unique_ptr<MpiStandIn> mpich() {
  // Debian's name, and that of the common ABI of MPICH, Intel MPI and Cray MPICH, which Open MPI 1
  // had too.
  void* const library = open({"libmpich.so.12", "libmpi.so.12"});
  if (library == nullptr || dlsym(library, "ompi_mpi_comm_world") != nullptr) return nullptr;
  const Handles<int> handles{0x44000000, 0x1c000000, 0x58000002, 0x58000003,
                             0x4c00080b, 0x4c00010d, 1};
  return wholeOrNone(library, handles);
}

}  // namespace

std::unique_ptr<MpiStandIn> MpiStandIn::load(const std::string& abi) {
  return abi == "openmpi" ? openMpi() : mpich();
}

}  // namespace walla
