// Level by level from the sorted pieces, so that the children of a node lie side by side.
#include "tokenizer/piece_trie.h"

#include <algorithm>

namespace quern {
namespace {

struct Entry {
  std::string_view text;
  std::int32_t id = 0;
};

// Entries that share the bytes on the way to a node.
struct Level {
  std::size_t begin = 0, end = 0, depth = 0;
};

}  // namespace

PieceTrie::PieceTrie(const std::vector<Vocabulary::Piece>& pieces, std::string_view prefix)
    : nodes_(1), labels_(1, '\0') {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::string_view text = pieces[i].text;
    if (pieces[i].in_model && text.starts_with(prefix))
      entries.push_back({text.substr(prefix.size()), static_cast<std::int32_t>(i)});
  }
  std::ranges::sort(entries, {}, &Entry::text);
  std::vector<Level> levels{{0, entries.size(), 0}};
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto [at, end, depth] = levels[node];
    if (at < end && entries[at].text.size() == depth) nodes_[node].id = entries[at++].id;
    nodes_[node].first = static_cast<std::uint32_t>(nodes_.size());
    while (at < end) {
      const char label = entries[at].text[depth];
      const std::size_t begin = at;
      while (at < end && entries[at].text[depth] == label) ++at;
      nodes_.emplace_back();
      labels_ += label;
      levels.push_back({begin, at, depth + 1});
    }
    nodes_[node].count = static_cast<std::uint32_t>(nodes_.size()) - nodes_[node].first;
  }
}

}  // namespace quern
