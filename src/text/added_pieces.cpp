// One look-up for each length that a piece with this first byte has.
#include "text/added_pieces.h"

#include <algorithm>

namespace quern {

void AddedPieces::add(std::string text, std::int32_t id) {
  auto& lengths = lengths_[static_cast<std::uint8_t>(text[0])];
  const auto at = std::lower_bound(lengths.begin(), lengths.end(), text.size(), std::greater<>());
  if (at == lengths.end() || *at != text.size()) lengths.insert(at, text.size());
  ids_.emplace(std::move(text), id);
}

const TextIds::value_type* AddedPieces::longest_at(std::string_view text) const {
  for (const std::size_t length : lengths_[static_cast<std::uint8_t>(text[0])]) {
    if (length > text.size()) continue;
    if (const auto found = ids_.find(text.substr(0, length)); found != ids_.end()) return &*found;
  }
  return nullptr;
}

void AddedPieces::cut(std::string_view text, const std::function<void(std::string_view)>& plain,
                      const std::function<void(std::int32_t)>& piece) const {
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto* found = ids_.empty() ? nullptr : longest_at(text.substr(at));
    if (!found) {
      ++at;
      continue;
    }
    if (at > done) plain(text.substr(done, at - done));
    piece(found->second);
    at += found->first.size();
    done = at;
  }
  if (done < text.size()) plain(text.substr(done));
}

}  // namespace quern
