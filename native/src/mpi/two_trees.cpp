#include "two_trees.h"

#include <algorithm>
#include <bitset>
#include <utility>

namespace walla::mpi {
namespace {

// All ranks but root have positions from 1 to n, in the order of the ranks. A position is an odd
// number times a power of two, its step: odd ones are leaves, and those with larger steps stand
// higher. The search tree of the numbers from 1 to n looks like that. The second tree is the
// first one with every position in the place of the next one, so that odd and even change roles.

int stepOf(int position) { return position & -position; }

/// 0 at the top.
int parentOf(int position, int n) {
  const int step = stepOf(position);
  const int above = position - step;
  const int between = above | (2 * step);
  return between <= n ? between : above;
}

/// 0 where there is none.
std::array<int, 2> childrenOf(int position, int n) {
  const int half = stepOf(position) / 2;
  if (half == 0) return {0, 0};
  int right = half;
  while (right > 0 && position + right > n) right /= 2;
  return {position - half, right > 0 ? position + right : 0};
}

int topOf(int n) {
  int top = 1;
  while (2 * top <= n) top *= 2;
  return top;
}

/// In which of two alternating steps a position receives from its parent in the first tree; in the
/// second tree it does so in the other one. Then children of one parent have different steps: their
/// positions differ in one bit, and so do those of the ranks in their places in the second tree,
/// but for the last few of an incomplete tree.
bool stepOfReceiving(int position) {
  return std::bitset<32>(static_cast<unsigned>(position)).count() % 2 == 1;
}

}  // namespace

TreePlace placeInTree(int tree, int rank, int size, int root) {
  const int n = size - 1;
  const auto rankAt = [&](int position) {
    // Positions of the second tree are those of the first one place further on.
    const int plain = tree == 0 ? position : (position + n - 2) % n + 1;
    return (root + plain) % size;
  };
  TreePlace place;
  if (n == 0) return place;
  if (rank == root) {
    place.children[0] = rankAt(topOf(n));
    return place;
  }
  const int plain = (rank - root + size) % size;
  const int position = tree == 0 ? plain : plain % n + 1;
  const int parent = parentOf(position, n);
  place.parent = parent == 0 ? root : rankAt(parent);
  const std::array<int, 2> children = childrenOf(position, n);
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (children[i] != 0) place.children[i] = rankAt(children[i]);
  }
  // The step after that in which this rank has received is one child's; it comes first.
  const auto step = [&](int at) { return stepOfReceiving((at - root + size) % size); };
  const int first = place.children[0];
  if (first >= 0 && step(first) == step(rank)) std::swap(place.children[0], place.children[1]);
  return place;
}

int depthOfTrees(int size) {
  int depth = 0;
  for (int n = size - 1; n > 0; n /= 2) ++depth;
  return depth;
}

}  // namespace walla::mpi
