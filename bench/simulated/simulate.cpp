// Simulates the way of one file to the memory of all nodes, and prints a line of JSON.
//
//     simulate TOPOLOGY NODES BYTES ALGORITHM CHUNK_BYTES [check]
//
// ALGORITHM: walla        walla::mpi::broadcastFile; 0 for CHUNK_BYTES: it chooses
//            chain        each node passes chunks on to the next
//            bcast:NAME   one MPI_Bcast by SimGrid's implementation of that name
//            chunks:NAME  one for each chunk
//            file-system  each node reads the whole file from the servers

#include <mpi.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xbt/log.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../native/src/mpi/broadcast_file.h"
#include "../../native/src/mpi/chunk_stream.h"
#include "platform.h"
#include "stand_ins.h"

namespace s4u = simgrid::s4u;

// Makes SimGrid's options of MPI known, which SMPI_init does too late to set one.
extern "C" void smpi_init_options();
// Makes the choices that they are.
namespace simgrid::smpi::colls {
void set_collectives();
}

namespace {

struct Plan {
  std::string topology;
  unsigned nodes;
  std::int64_t bytes;
  std::string algorithm;
  std::int64_t chunkBytes;
};

Plan plan;
simulated::Speeds speeds;
int sourceFd = -1;
std::uint8_t* payload = nullptr;
double begun = 0;
double ended = 0;
std::string digest;
unsigned digestsAlike = 0;

int makeSource() {
  const int fd = memfd_create("simulated-source", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, plan.bytes) != 0) throw std::runtime_error("no memory for the file");
  if (!simulated::standIns().check) return fd;
  std::vector<std::uint32_t> content(static_cast<std::size_t>(plan.bytes) / 4);
  std::uint32_t state = 1;
  for (std::uint32_t& word : content) word = state = state * 1664525 + 1013904223;
  if (pwrite(fd, content.data(), content.size() * 4, 0) < 0) throw std::runtime_error("pwrite");
  return fd;
}

void walla(int rank) {
  auto comm = walla::mpi::Communicator::duplicate(MPI_COMM_WORLD);
  walla::mpi::FileBroadcast transfer;
  transfer.bytes = plan.bytes;
  transfer.chunkBytes = plan.chunkBytes;
  transfer.sourceFd = rank == 0 ? sourceFd : -1;
  // Without a target root has no thread that reads: its file is in memory.
  transfer.targetFd = rank == 0 ? -1 : sourceFd;
  const std::string own = walla::mpi::broadcastFile(comm, transfer);
  if (digest.empty()) digest = own;
  if (!own.empty() && own == digest) ++digestsAlike;
  comm.forget();
}

void chain(int rank) {
  const int next = rank + 1 < static_cast<int>(plan.nodes) ? rank + 1 : MPI_PROC_NULL;
  MPI_Request sending = MPI_REQUEST_NULL;
  for (std::int64_t at = 0; at < plan.bytes; at += plan.chunkBytes) {
    const int part = static_cast<int>(std::min(plan.chunkBytes, plan.bytes - at));
    if (rank > 0) {
      MPI_Recv(payload + at, part, MPI_BYTE, rank - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    MPI_Wait(&sending, MPI_STATUS_IGNORE);
    MPI_Isend(payload + at, part, MPI_BYTE, next, 0, MPI_COMM_WORLD, &sending);
  }
  MPI_Wait(&sending, MPI_STATUS_IGNORE);
}

void broadcast(std::int64_t step) {
  for (std::int64_t at = 0; at < plan.bytes; at += step) {
    const int part = static_cast<int>(std::min(step, plan.bytes - at));
    MPI_Bcast(payload + at, part, MPI_BYTE, 0, MPI_COMM_WORLD);
  }
}

void rankMain() {
  MPI_Init(nullptr, nullptr);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Barrier(MPI_COMM_WORLD);
  begun = std::max(begun, s4u::Engine::get_clock());
  if (plan.algorithm == "walla") {
    walla(rank);
  } else if (plan.algorithm == "chain") {
    chain(rank);
  } else if (plan.algorithm.rfind("chunks:", 0) == 0) {
    broadcast(plan.chunkBytes);
  } else {
    broadcast(plan.bytes);
  }
  ended = std::max(ended, s4u::Engine::get_clock());
  MPI_Finalize();
}

/// A file striped over all servers; nodes begin at different ones. A transfer without an actor at
/// each end would stand in one list of SimGrid's, as below.
void addReaders(const simulated::Machine& machine) {
  const std::size_t stripes = machine.servers.size();
  const std::uint64_t bytes = static_cast<std::uint64_t>(plan.bytes) / stripes;
  for (std::size_t i = 0; i < machine.nodes.size(); ++i) {
    s4u::Mailbox* const between = s4u::Mailbox::by_name("node" + std::to_string(i));
    s4u::Actor::create("server", machine.servers[i % stripes],
                       [&machine, between, i, stripes, bytes] {
                         for (std::size_t stripe = 0; stripe < stripes; ++stripe) {
                           s4u::this_actor::set_host(machine.servers[(i + stripe) % stripes]);
                           between->put(&plan, bytes);
                         }
                       });
    s4u::Actor::create("reader", machine.nodes[i], [between, stripes] {
      for (std::size_t stripe = 0; stripe < stripes; ++stripe) between->get<Plan>();
      ended = std::max(ended, s4u::Engine::get_clock());
    });
  }
}

// A small message that its sender does not wait for stands in one list of SimGrid's, which is
// searched when it ends: with 65,536 ranks that is nearly all the work. So each sender waits, which
// changes the simulated times by nanoseconds.
void configure(const std::string& broadcastName) {
  for (const char* setting :
       {"network/model:CM02", "smpi/simulate-computation:no", "smpi/privatization:no",
        "network/crosstraffic:no", "contexts/stack-size:64", "contexts/guard-size:0",
        "smpi/allreduce:rdb", "smpi/barrier:ompi_recursivedoubling",
        "smpi/send-is-detached-thresh:0"}) {
    s4u::Engine::set_config(setting);
  }
  if (!broadcastName.empty()) s4u::Engine::set_config("smpi/bcast:" + broadcastName);
}

void print() {
  const simulated::StandIns& own = simulated::standIns();
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const bool isWalla = plan.algorithm == "walla";
  const std::int64_t chunk =
      isWalla && plan.chunkBytes == 0
          ? walla::mpi::chunkBytesFor(plan.bytes, static_cast<int>(plan.nodes))
          : plan.chunkBytes;
  std::printf(
      "{\"topology\": \"%s\", \"nodes\": %u, \"bytes\": %lld, \"algorithm\": \"%s\", "
      "\"chunkBytes\": %lld, \"seconds\": %.9f",
      plan.topology.c_str(), plan.nodes, static_cast<long long>(plan.bytes), plan.algorithm.c_str(),
      static_cast<long long>(chunk), ended - begun);
  if (isWalla) {
    std::printf(", \"secondsWithDigest\": %.9f, \"secondsWithDigestByFour\": %.9f",
                own.digested[0] - begun, own.digested[1] - begun);
  }
  if (own.check) {
    std::printf(", \"digestsAlike\": %u, \"misplaced\": %lld, \"received\": %lld", digestsAlike,
                static_cast<long long>(own.misplaced), static_cast<long long>(own.posted));
  }
  std::printf(", \"cost\": {\"processorSeconds\": %.1f, \"mebibytes\": %ld}}\n",
              static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec),
              usage.ru_maxrss / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  xbt_log_control_set("root.thresh:warning");
  s4u::Engine engine(&argc, argv);
  if (argc < 6) {
    std::fprintf(stderr, "usage: simulate TOPOLOGY NODES BYTES ALGORITHM CHUNK_BYTES [check]\n");
    return 2;
  }
  plan = {argv[1], static_cast<unsigned>(std::atoi(argv[2])), std::atoll(argv[3]), argv[4],
          std::atoll(argv[5])};
  simulated::StandIns& own = simulated::standIns();
  own.check = argc > 6;
  own.digestSpeed = 2e9;
  const std::size_t colon = plan.algorithm.find(':');
  smpi_init_options();
  configure(colon == std::string::npos ? "" : plan.algorithm.substr(colon + 1));
  const simulated::Machine machine = simulated::build(plan.topology, plan.nodes, speeds);
  if (plan.algorithm == "file-system") {
    addReaders(machine);
    engine.run();
  } else {
    if (plan.algorithm == "walla") {
      sourceFd = makeSource();
    } else {
      payload = static_cast<std::uint8_t*>(
          mmap(nullptr, static_cast<std::size_t>(plan.bytes), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    }
    SMPI_init();
    simgrid::smpi::colls::set_collectives();
    SMPI_app_instance_register("job", nullptr, static_cast<int>(plan.nodes));
    for (std::size_t i = 0; i < machine.nodes.size(); ++i) {
      auto actor = s4u::Actor::init("rank", machine.nodes[i]);
      actor->set_property("instance_id", "job");
      actor->set_property("rank", std::to_string(i));
      actor->start(rankMain);
    }
    engine.run();
    SMPI_finalize();
  }
  print();
  return 0;
}
