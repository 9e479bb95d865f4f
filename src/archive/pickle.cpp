// Looking into what was read.
#include "archive/pickle.h"

namespace quern {

const PickleNode* Pickle::find(const PickleNode& node, std::string_view key) const {
  if (node.kind != PickleNode::Kind::kDict) return nullptr;
  for (std::size_t i = node.items.size(); i >= 2; i -= 2) {
    const PickleNode& at = nodes_[node.items[i - 2]];
    if (at.kind == PickleNode::Kind::kText && at.text == key) return &nodes_[node.items[i - 1]];
  }
  return nullptr;
}

std::string_view Pickle::class_of(const PickleNode& node) const {
  if (node.kind != PickleNode::Kind::kObject) return {};
  const PickleNode& callee = nodes_[node.items.at(0)];
  return callee.kind == PickleNode::Kind::kName ? callee.text : std::string_view();
}

}  // namespace quern
