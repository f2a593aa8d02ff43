// Two binary trees over the same ranks, so that the sum of what a rank has to send is what it
// receives.
#pragma once

#include <array>

namespace walla::mpi {

/// The neighbours of a rank in one tree.
struct TreePlace {
  /// -1 at root.
  int parent = -1;
  /// In the order of sending; -1 where there is none. Root has one child.
  std::array<int, 2> children = {-1, -1};
};

/// In a pipeline down one binary tree a rank with two children sends everything twice, so half of
/// its network is all it can receive at, while half of the ranks, the leaves, send nothing. Here a
/// rank that has children in one tree is a leaf in the other. Sending every second chunk down each,
/// all ranks but root receive everything once and send it once at most; and the trees are only as
/// deep as the logarithm of the number of ranks.
///
/// P. Sanders, J. Speck, J. L. Träff: Two-tree algorithms for full bandwidth broadcast, reduction
/// and scan. Parallel Computing 35 (2009), 581-594.
///
/// Neighbours in the tree have ranks close to each other where possible: most messages stay within
/// a switch if ranks are placed in its order.
///
/// @param tree 0 or 1
/// @returns the place of `rank` among `size` ranks
TreePlace placeInTree(int tree, int rank, int size, int root);

/// Messages on the longest way from root to a rank, in the deeper of the two trees; 0 for one rank.
int depthOfTrees(int size);

}  // namespace walla::mpi
