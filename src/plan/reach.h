// How far a choice of number formats reaches: which kinds of them are tried.
#pragma once

#include "codec/codec.h"

namespace quern {

// Each with those before it.
enum class Reach {
  kScalar,   // each weight has a code of its own, and sizes follow from shapes
  kVectors,  // several weights have one code: a search for each, which takes several times as long
  kAll,      // what all rows share is learned from a whole tensor, or encoding alone tells how large a tensor becomes
};

// The first that has the codec.
Reach reach_of(const Codec& codec);

}  // namespace quern
