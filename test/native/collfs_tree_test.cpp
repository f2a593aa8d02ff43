#include <algorithm>
#include <map>
#include <vector>

#include "../../native/src/collfs/tree.h"
#include "check.h"

using namespace walla::collfs;

namespace {

/// How far down a rank is; checks that the way up ends at root.
int depthOf(const std::vector<int>& parents, int rank, int root) {
  int depth = 0;
  for (; rank != root; rank = parents[static_cast<std::size_t>(rank)]) {
    CHECK(rank >= 0 && ++depth <= static_cast<int>(parents.size()));
  }
  return depth;
}

/// Levels of a tree in which each message is followed by three more.
int levelsFor(int count) {
  int levels = 0;
  for (int reached = 1; reached < count; reached *= 4) ++levels;
  return levels;
}

/// Checks the trees of all ranks of `nodes` with so many ranks each, dealt out in turn if asked
/// for.
void checkTrees(int nodes, int perNode, int root, bool inTurn) {
  const int count = nodes * perNode;
  std::vector<int> nodeOf;
  for (int rank = 0; rank < count; ++rank) nodeOf.push_back(inTurn ? rank % nodes : rank / perNode);
  const std::vector<int> parents = parentsOf(nodeOf, root);
  std::map<int, int> entries;
  int found = 0;
  for (int rank = 0; rank < count; ++rank) {
    const auto at = static_cast<std::size_t>(rank);
    const Tree tree = makeTree(nodeOf, root, rank);
    CHECK_EQUAL(tree.parent, parents[at]);
    CHECK_EQUAL(tree.parent < 0, rank == root);
    CHECK_EQUAL(tree.heads.size(), static_cast<std::size_t>(nodes));
    CHECK_EQUAL(tree.heads[0], root);
    for (const auto* const children : {&tree.headChildren, &tree.nodeChildren}) {
      for (const int child : *children) {
        ++found;
        CHECK_EQUAL(parents[static_cast<std::size_t>(child)], rank);
        const bool sameNode = nodeOf[static_cast<std::size_t>(child)] == nodeOf[at];
        CHECK_EQUAL(sameNode, children == &tree.nodeChildren);
        if (!sameNode) ++entries[nodeOf[static_cast<std::size_t>(child)]];
      }
    }
    CHECK(depthOf(parents, rank, root) <= levelsFor(nodes) + levelsFor(perNode));
  }
  CHECK_EQUAL(found, count - 1);
  // Each byte enters a node once.
  CHECK_EQUAL(entries.size(), static_cast<std::size_t>(nodes - 1));
  for (const auto& [node, times] : entries) CHECK_EQUAL(times, 1);
}

}  // namespace

TEST("messages of collfs reach every rank once, and over few hops") {
  for (const int nodes : {1, 2, 3, 4, 5, 7, 16, 17, 64}) {
    for (const int perNode : {1, 2, 5, 16}) {
      const int last = nodes * perNode - 1;
      for (const int root : {0, last / 2, last}) {
        checkTrees(nodes, perNode, root, false);
        checkTrees(nodes, perNode, root, true);
      }
    }
  }
}

TEST("root of collfs has the largest subtrees served first") {
  const std::vector<int> alone = {0, 1, 2, 3, 4, 5, 6};
  const Tree tree = makeTree(alone, 2, 2);
  // Positions 4, which has two below it, and then 1, 2 and 3.
  CHECK_EQUAL(tree.headChildren.size(), 4u);
  const std::vector<int> parents = parentsOf(alone, 2);
  const auto below = std::count(parents.begin(), parents.end(), tree.headChildren[0]);
  CHECK_EQUAL(below, 2);
}
