#include "platform.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace s4u = simgrid::s4u;

namespace simulated {
namespace {

std::string nameOf(const char* what, unsigned long number) {
  char name[32];
  std::snprintf(name, sizeof name, "%s%06lu", what, number);
  return name;
}

using MadePoint =
    std::pair<simgrid::kernel::routing::NetPoint*, simgrid::kernel::routing::NetPoint*>;

s4u::ClusterCallbacks hosts() {
  return s4u::ClusterCallbacks(
      [](s4u::NetZone* zone, const std::vector<unsigned long>&, unsigned long id) -> MadePoint {
        s4u::Host* host = zone->create_host(nameOf("node", id), 1e9)->seal();
        return {host->get_netpoint(), nullptr};
      });
}

s4u::NetZone* fatTree(const s4u::NetZone* root, unsigned nodes, const Speeds& speeds) {
  constexpr unsigned kOnSwitch = 32;
  constexpr unsigned kInPod = 32;
  const unsigned switches = nodes / kOnSwitch;
  std::vector<unsigned> down = {kOnSwitch, std::min(switches, kInPod)};
  std::vector<unsigned> up = {1, kOnSwitch / 2};
  if (switches > kInPod) {
    down.push_back(switches / kInPod);
    up.push_back(kInPod / 2);
  }
  const std::vector<unsigned> parallel(down.size(), 1);
  const auto levels = static_cast<unsigned>(down.size());
  return s4u::create_fatTree_zone("cluster", root, {levels, down, up, parallel}, hosts(),
                                  speeds.link, speeds.latency,
                                  s4u::Link::SharingPolicy::SPLITDUPLEX);
}

s4u::NetZone* dragonfly(const s4u::NetZone* root, unsigned nodes, const Speeds& speeds) {
  constexpr unsigned kOnRouter = 4;
  constexpr unsigned kRouters = 16;
  constexpr unsigned kChassis = 8;
  // Small machines have smaller groups, so that there are several. In large ones they are larger:
  // SimGrid 3.32 crashes when there are more groups than routers in a chassis.
  const unsigned routers = nodes / kOnRouter;
  unsigned inChassis = std::min(kRouters, routers / 2);
  const unsigned chassis = std::min(kChassis, std::max(1U, routers / inChassis / 2));
  while (routers / inChassis / chassis > inChassis) inChassis *= 2;
  const unsigned groups = routers / inChassis / chassis;
  return s4u::create_dragonfly_zone(
      "cluster", root, {{groups, 1}, {chassis, 1}, {inChassis, 1}, kOnRouter}, hosts(), speeds.link,
      speeds.latency, s4u::Link::SharingPolicy::SPLITDUPLEX);
}

}  // namespace

Machine build(const std::string& topology, unsigned nodes, const Speeds& speeds) {
  s4u::NetZone* root = s4u::create_full_zone("root");
  s4u::NetZone* cluster = topology == "fat-tree"    ? fatTree(root, nodes, speeds)
                          : topology == "dragonfly" ? dragonfly(root, nodes, speeds)
                                                    : nullptr;
  if (cluster == nullptr) throw std::invalid_argument("no such topology: " + topology);
  auto* exit = cluster->create_router("cluster-exit");
  cluster->seal();

  s4u::NetZone* storage = s4u::create_star_zone("storage");
  storage->set_parent(root);
  auto* entry = storage->create_router("storage-entry");
  Machine machine;
  for (unsigned i = 0; i < speeds.servers; ++i) {
    s4u::Host* server = storage->create_host(nameOf("server", i), 1e9);
    s4u::Link* link = storage->create_link(nameOf("server-link", i), speeds.server);
    link->set_latency(speeds.latency)->seal();
    storage->add_route(server->get_netpoint(), nullptr, nullptr, nullptr, {s4u::LinkInRoute(link)},
                       true);
    server->seal();
    machine.servers.push_back(server);
  }
  storage->seal();
  // What a server gives divided by its readers has to be less than what a node can take, so that
  // nothing but the servers bounds a read. A link with a bound for each transfer (FATPIPE) would do
  // for fewer nodes, but SimGrid looks at all of its transfers for each of them.
  if (speeds.link * nodes < speeds.server * speeds.servers) {
    throw std::invalid_argument("too few nodes for the file servers");
  }
  s4u::Link* between = root->create_link("between", speeds.link * nodes);
  between->set_latency(speeds.latency)->seal();
  root->add_route(cluster->get_netpoint(), storage->get_netpoint(), exit, entry,
                  {s4u::LinkInRoute(between)}, true);
  root->seal();

  machine.nodes = cluster->get_all_hosts();
  std::sort(machine.nodes.begin(), machine.nodes.end(),
            [](const s4u::Host* a, const s4u::Host* b) { return a->get_name() < b->get_name(); });
  if (machine.nodes.size() != nodes) throw std::invalid_argument("no such machine");
  return machine;
}

}  // namespace simulated
