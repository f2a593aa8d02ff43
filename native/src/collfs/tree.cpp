#include "tree.h"

#include <cstddef>
#include <unordered_map>

namespace walla::collfs {
namespace {

/// As many children a position has on each level of its subtree.
constexpr std::size_t kDegree = 3;
constexpr std::size_t kRadix = kDegree + 1;

/// Positions are numbers of base kRadix: a parent has a 0 for the last digit that is not 0.
std::size_t parentPosition(std::size_t at) {
  std::size_t place = 1;
  while (at / place % kRadix == 0) place *= kRadix;
  return at - at / place % kRadix * place;
}

std::vector<std::size_t> childPositions(std::size_t at, std::size_t count) {
  std::vector<std::size_t> children;
  std::size_t place = 1;
  while (place < count && at / place % kRadix == 0) place *= kRadix;
  // Larger subtrees come first, they take longest.
  for (place /= kRadix; place > 0; place /= kRadix) {
    for (std::size_t digit = 1; digit <= kDegree && at + digit * place < count; ++digit) {
      children.push_back(at + digit * place);
    }
  }
  return children;
}

struct Nodes {
  /// Ranks of each node, its head first. The node of root is the first.
  std::vector<std::vector<int>> members;
  /// Of each rank: its node and its place in there.
  std::vector<std::size_t> node;
  std::vector<std::size_t> place;
};

Nodes groupByNode(const std::vector<int>& nodeOf, int root) {
  Nodes nodes;
  nodes.node.resize(nodeOf.size());
  nodes.place.resize(nodeOf.size());
  std::unordered_map<int, std::size_t> known;
  const auto add = [&](int rank) {
    const auto at = static_cast<std::size_t>(rank);
    const auto [found, isNew] = known.emplace(nodeOf[at], nodes.members.size());
    if (isNew) nodes.members.emplace_back();
    std::vector<int>& members = nodes.members[found->second];
    nodes.node[at] = found->second;
    nodes.place[at] = members.size();
    members.push_back(rank);
  };
  add(root);
  for (int rank = 0; rank < static_cast<int>(nodeOf.size()); ++rank) {
    if (rank != root) add(rank);
  }
  return nodes;
}

int parentIn(const Nodes& nodes, int rank) {
  const std::size_t node = nodes.node[static_cast<std::size_t>(rank)];
  const std::size_t place = nodes.place[static_cast<std::size_t>(rank)];
  if (place > 0) return nodes.members[node][parentPosition(place)];
  return node == 0 ? -1 : nodes.members[parentPosition(node)][0];
}

}  // namespace

Tree makeTree(const std::vector<int>& nodeOf, int root, int rank) {
  const Nodes nodes = groupByNode(nodeOf, root);
  const std::size_t node = nodes.node[static_cast<std::size_t>(rank)];
  const std::size_t place = nodes.place[static_cast<std::size_t>(rank)];
  const std::vector<int>& members = nodes.members[node];
  Tree tree;
  tree.root = root;
  tree.parent = parentIn(nodes, rank);
  tree.head = place == 0;
  tree.headOfNode = members[0];
  for (const auto& each : nodes.members) tree.heads.push_back(each[0]);
  if (tree.head) {
    for (const std::size_t at : childPositions(node, nodes.members.size())) {
      tree.headChildren.push_back(nodes.members[at][0]);
    }
  }
  for (const std::size_t at : childPositions(place, members.size())) {
    tree.nodeChildren.push_back(members[at]);
  }
  return tree;
}

std::vector<int> parentsOf(const std::vector<int>& nodeOf, int root) {
  const Nodes nodes = groupByNode(nodeOf, root);
  std::vector<int> parents(nodeOf.size());
  for (std::size_t rank = 0; rank < parents.size(); ++rank) {
    parents[rank] = parentIn(nodes, static_cast<int>(rank));
  }
  return parents;
}

}  // namespace walla::collfs
