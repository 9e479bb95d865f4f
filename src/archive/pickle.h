// Python's pickles, protocols 0 to 5, read as data (https://docs.python.org/3/library/pickletools.html). Nothing is
// imported, looked up or called: a class or function is its name, and what is made of one an inert object that keeps
// name, arguments and state. Only Python's own containers, in whatever way they are pickled, become containers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace quern {

// Index of a node. Nodes are shared as Python's objects are, and may contain themselves.
using PickleId = std::uint32_t;

struct PickleNode {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,        // integer
    kInteger,     // integer
    kBigInteger,  // text: two's complement, little-endian, or in protocols 0 and 1 decimal digits
    kFloat,       // number
    kText,        // text
    kBytes,       // text
    kTuple,       // items
    kList,        // items
    kSet,         // items
    kDict,        // items: key, value, key, value ...; of equal keys the last counts
    kName,        // text: "module.name" of a class or function
    kObject,  // items: what it was made of (a kName, or whatever stood there), the arguments, then what was appended
              // to it; state
    kPersistent,  // items: the id of an object that the pickle does not contain
  };
  Kind kind = Kind::kNone;
  PickleId state = 0;  // 0: none
  union {
    std::int64_t integer = 0;
    double number;
  };
  std::string_view text = {};
  std::vector<PickleId> items = {};
};

class Pickle {
 public:
  const PickleNode& root() const { return nodes_[root_]; }
  const PickleNode& operator[](PickleId id) const { return nodes_[id]; }
  // All of them, in the order in which they were made.
  const std::deque<PickleNode>& nodes() const noexcept { return nodes_; }
  // Bytes that it took, and of memory that its nodes take, at most.
  std::size_t bytes() const noexcept { return bytes_; }
  std::uint64_t memory() const noexcept { return memory_; }

  // Value of a text key in a dictionary; null when there is none, or `node` is no dictionary.
  const PickleNode* find(const PickleNode& node, std::string_view key) const;
  // "module.name" of what an object was made of; empty when `node` is no object, or not made of a name.
  std::string_view class_of(const PickleNode& node) const;

 private:
  friend class PickleReader;
  std::deque<PickleNode> nodes_;  // [0] is None
  std::deque<std::string> texts_;
  PickleId root_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t memory_ = 0;
};

// Reads one pickle from the beginning of `bytes`, which must outlive it. nullopt: it goes on beyond them. Error(kInput)
// with the position when it is damaged, or needs more memory than 8 MB and 14 times its bytes, or 900 MB.
std::optional<Pickle> read_pickle(ByteSpan bytes);

}  // namespace quern
