#pragma once

namespace walla::collfs {

/// Of messages on a communicator that nobody else has.
enum Tag : int {
  kTagWord = 1,     // child to parent
  kTagAnswer = 2,   // parent to child
  kTagPing = 3,     // root to a rank it has not heard of
  kTagPong = 4,     // the answer to a ping, or that a rank has given up
  kTagMissing = 5,  // root to all: the call has failed for want of some rank
};

}  // namespace walla::collfs
