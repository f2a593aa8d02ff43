#pragma once

#include <vector>

namespace walla::collfs {

/// The way of messages between the ranks of a communicator. One rank of each node, its head,
/// receives for the node; root is the head of its own. Heads form a tree below root, and the ranks
/// of a node another below its head: so log4(nodes) + log4(ranks per node) hops, and each byte
/// enters a node once. To send three messages takes less time than for the first one to arrive and
/// be passed on, so these trees are half as deep as binomial ones.
struct Tree {
  int root = 0;
  /// -1 at root.
  int parent = -1;
  bool head = true;
  /// The head of this rank's node.
  int headOfNode = 0;
  std::vector<int> headChildren;
  /// On this node.
  std::vector<int> nodeChildren;
  /// All heads, root first.
  std::vector<int> heads;
};

/// @param nodeOf for each rank something that its node's ranks, and no others, have in common
Tree makeTree(const std::vector<int>& nodeOf, int root, int rank);

/// The parent of every rank in the trees that makeTree makes; -1 for root.
std::vector<int> parentsOf(const std::vector<int>& nodeOf, int root);

}  // namespace walla::collfs
