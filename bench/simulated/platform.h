// The machines that are simulated: nodes in a fat tree or a dragonfly, and a parallel file system.
#pragma once

#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

namespace simulated {

/// What the figures of a machine are. Changing them changes every result.
struct Speeds {
  /// Bytes per second of every network link, each way: 100 Gbit/s.
  double link = 12.5e9;
  /// Seconds each link adds. A path has 2 to 6, so 2 to 6 us: more than today's switches need,
  /// since the handshake of a large message and the software at both ends are in it.
  double latency = 1e-6;
  /// Bytes per second of one file server.
  double server = 20e9;
  unsigned servers = 16;
};

struct Machine {
  /// In the order of their names, which is that of their places in the network.
  std::vector<simgrid::s4u::Host*> nodes;
  std::vector<simgrid::s4u::Host*> servers;
};

/// Fat tree: 32 nodes on a switch, 32 switches in a pod, each level with half of the links upwards
/// that it has downwards. Dragonfly: 4 nodes on a router, groups of up to 8 chassis of 16 routers,
/// all routers of a chassis and all groups connected with each other.
/// @param topology "fat-tree" or "dragonfly"
/// @param nodes one of 64, 512, 4096, 16384 and 65536
Machine build(const std::string& topology, unsigned nodes, const Speeds& speeds);

}  // namespace simulated
