// A word starts as its bytes. Of all neighbours that have a merge, those of the best rank join, the leftmost first,
// until none is left. A queue of candidates keeps this near linear for words of any length; a candidate that an earlier
// join has overtaken is recognised by its rank when it comes up.
#include "text/byte_bpe.h"

#include <queue>

#include "base/fail.h"
#include "text/byte_alphabet.h"

namespace quern {
namespace {

constexpr std::int32_t kEnd = -1;

struct Symbol {
  std::int32_t piece = 0, previous = kEnd, next = kEnd;
  bool gone = false;
};

struct Candidate {
  std::int32_t rank = 0, left = 0;  // left: index of the symbol
};

struct ComesLater {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  }
};

std::uint64_t merge_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

ByteBpe::ByteBpe(const Vocabulary& vocabulary) : unknown_(vocabulary.unknown) {
  ViewIds ids;
  ids.reserve(vocabulary.pieces.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const std::string& text = vocabulary.pieces[i].text;
    ids.emplace(text, static_cast<std::int32_t>(i));
    if (!vocabulary.ignore_merges) continue;
    if (const auto bytes = bytes_of_alphabet(text)) words_.emplace(*bytes, static_cast<std::int32_t>(i));
  }
  for (std::size_t byte = 0; byte < byte_pieces_.size(); ++byte) {
    const char c = static_cast<char>(byte);
    const auto found = ids.find(alphabet_of_bytes(std::string_view(&c, 1)));
    byte_pieces_[byte] = found == ids.end() ? -1 : found->second;
  }
  index_merges(vocabulary, ids);
}

void ByteBpe::index_merges(const Vocabulary& vocabulary, const ViewIds& ids) {
  const auto& pieces = vocabulary.pieces;
  merges_.reserve(vocabulary.merges.size());
  std::string text;
  for (std::size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const auto [left, right] = vocabulary.merges[i];
    for (const std::int32_t id : {left, right}) {
      if (id < 0 || static_cast<std::size_t>(id) >= pieces.size())
        fail(ErrorCode::kInput, "merge {} is of the piece {}, but the vocabulary has {} pieces", i, id, pieces.size());
    }
    const std::string& a = pieces[static_cast<std::size_t>(left)].text;
    const std::string& b = pieces[static_cast<std::size_t>(right)].text;
    const auto joined = ids.find(text.assign(a).append(b));
    if (joined == ids.end())
      fail(ErrorCode::kInput, "merge {}, \"{}\" and \"{}\", gives no piece of the vocabulary", i, a, b);
    if (!merges_.emplace(merge_key(left, right), Result{static_cast<std::int32_t>(i), joined->second}).second)
      fail(ErrorCode::kInput, "merge {}, \"{}\" and \"{}\", is there twice", i, a, b);
  }
}

const ByteBpe::Result* ByteBpe::find_merge(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(merge_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::int32_t ByteBpe::piece_of_byte(char byte) const {
  const std::int32_t piece = byte_pieces_[static_cast<std::uint8_t>(byte)];
  if (piece >= 0) return piece;
  if (unknown_ < 0)
    fail(ErrorCode::kInput, "the vocabulary has no piece for the byte 0x{:02x} of the text, and no unknown piece",
         static_cast<std::uint8_t>(byte));
  return unknown_;
}

void ByteBpe::encode(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (const auto whole = words_.find(word); whole != words_.end()) {
    ids.push_back(whole->second);
    return;
  }
  std::vector<Symbol> symbols(word.size());
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue;
  const auto consider = [&](std::int32_t left) {
    if (left == kEnd || symbols[left].next == kEnd) return;
    if (const Result* merge = find_merge(symbols[left].piece, symbols[symbols[left].next].piece))
      queue.push({merge->rank, left});
  };
  const auto count = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < count; ++i)
    symbols[i] = {piece_of_byte(word[i]), i - 1, i + 1 < count ? i + 1 : kEnd, false};
  for (std::int32_t i = 0; i < count; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    Symbol& left = symbols[candidate.left];
    if (left.gone || left.next == kEnd) continue;
    Symbol& right = symbols[left.next];
    const Result* merge = find_merge(left.piece, right.piece);
    if (!merge || merge->rank != candidate.rank) continue;
    left.piece = merge->piece;
    left.next = right.next;
    right.gone = true;
    if (left.next != kEnd) symbols[left.next].previous = candidate.left;
    consider(left.previous);
    consider(candidate.left);
  }
  for (std::int32_t i = 0; i != kEnd && i < count; i = symbols[i].next) ids.push_back(symbols[i].piece);
}

}  // namespace quern
