// The pieces that a text begins with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace quern {

class PieceTrie {
 public:
  // Of the pieces that begin with `prefix`, what follows it.
  explicit PieceTrie(const std::vector<Vocabulary::Piece>& pieces, std::string_view prefix = {});

  // Calls take(id, length in bytes) for each piece that `text` begins with, the shortest first.
  template <typename Take>
  void prefixes(std::string_view text, Take&& take) const {
    std::size_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, text[i]);
      if (node == 0) return;
      if (nodes_[node].id >= 0) take(nodes_[node].id, i + 1);
    }
  }

 private:
  struct Node {
    std::uint32_t first = 0;  // child; the others follow it
    std::uint32_t count = 0;
    std::int32_t id = -1;
  };
  std::size_t child(std::size_t node, char label) const {
    const Node& parent = nodes_[node];
    const std::size_t at = std::string_view(labels_).substr(parent.first, parent.count).find(label);
    return at == std::string_view::npos ? 0 : parent.first + at;
  }

  std::vector<Node> nodes_;
  std::string labels_;  // of each node, the byte that leads to it
};

}  // namespace quern
