// Words of few symbols are searched again after each merge. For longer ones a queue of candidates keeps the work near
// linear; a candidate that an earlier merge has overtaken is recognised by its rank when it comes up.
#include "tokenizer/merge_table.h"

#include <bit>
#include <limits>
#include <queue>
#include <string>

#include "base/fail.h"

namespace quern {
namespace {

constexpr std::int32_t kEnd = -1;
constexpr std::size_t kFew = 32;  // symbols

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
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

std::size_t spread(std::uint64_t key) { return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15u) >> 20); }

}  // namespace

MergeTable::MergeTable(const Vocabulary& vocabulary, const ViewIds& ids, std::string_view part_prefix) {
  const auto& pieces = vocabulary.pieces;
  slots_.resize(std::bit_ceil(2 * vocabulary.merges.size() + 1));
  std::string text;
  for (std::size_t i = 0; i < vocabulary.merges.size(); ++i) {
    const auto [left, right] = vocabulary.merges[i];
    for (const std::int32_t id : {left, right}) {
      if (id < 0 || static_cast<std::size_t>(id) >= pieces.size())
        fail(ErrorCode::kInput, "merge {} is of the piece {}, but the vocabulary has {} pieces", i, id, pieces.size());
    }
    const std::string& a = pieces[static_cast<std::size_t>(left)].text;
    const std::string& b = pieces[static_cast<std::size_t>(right)].text;
    const std::string_view rest = std::string_view(b).substr(b.starts_with(part_prefix) ? part_prefix.size() : 0);
    const auto joined = ids.find(text.assign(a).append(rest));
    if (joined == ids.end())
      fail(ErrorCode::kInput, "merge {}, \"{}\" and \"{}\", gives no piece of the vocabulary", i, a, b);
    if (!insert(left, right, {static_cast<std::int32_t>(i), joined->second}))
      fail(ErrorCode::kInput, "merge {}, \"{}\" and \"{}\", is there twice", i, a, b);
  }
}

bool MergeTable::insert(std::int32_t left, std::int32_t right, Result result) {
  const std::uint64_t key = merge_key(left, right);
  for (std::size_t at = spread(key);; ++at) {
    Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.key == key) return false;
    if (slot.key != kNoKey) continue;
    slot = {key, result};
    return true;
  }
}

const MergeTable::Result* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const std::uint64_t key = merge_key(left, right);
  for (std::size_t at = spread(key);; ++at) {
    const Slot& slot = slots_[at & (slots_.size() - 1)];
    if (slot.key == key) return &slot.result;
    if (slot.key == kNoKey) return nullptr;
  }
}

void MergeTable::apply(std::span<std::int32_t> symbols, std::vector<std::int32_t>& ids) const {
  if (symbols.size() <= kFew) return apply_to_few(symbols, ids);
  apply_to_many(symbols, ids);
}

void MergeTable::apply_to_few(std::span<std::int32_t> symbols, std::vector<std::int32_t>& ids) const {
  constexpr std::int32_t kNone = std::numeric_limits<std::int32_t>::max();
  std::size_t count = symbols.size();
  Result merges[kFew];  // of each symbol with the next
  const auto look = [&](std::size_t i) {
    const Result* found = i + 1 < count ? find(symbols[i], symbols[i + 1]) : nullptr;
    merges[i] = found ? *found : Result{kNone, 0};
  };
  for (std::size_t i = 0; i < count; ++i) look(i);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (merges[i].rank < merges[best].rank) best = i;
    if (merges[best].rank == kNone) break;
    symbols[best] = merges[best].piece;
    for (std::size_t i = best + 1; i + 1 < count; ++i) {
      symbols[i] = symbols[i + 1];
      merges[i] = merges[i + 1];
    }
    --count;
    look(best);
    if (best > 0) look(best - 1);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.begin() + static_cast<std::ptrdiff_t>(count));
}

void MergeTable::apply_to_many(std::span<const std::int32_t> pieces, std::vector<std::int32_t>& ids) const {
  const auto count = static_cast<std::int32_t>(pieces.size());
  std::vector<Symbol> symbols(pieces.size());
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue;
  const auto consider = [&](std::int32_t left) {
    if (left == kEnd || symbols[left].next == kEnd) return;
    if (const Result* merge = find(symbols[left].piece, symbols[symbols[left].next].piece))
      queue.push({merge->rank, left});
  };
  for (std::int32_t i = 0; i < count; ++i) symbols[i] = {pieces[i], i - 1, i + 1 < count ? i + 1 : kEnd, false};
  for (std::int32_t i = 0; i < count; ++i) consider(i);
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    Symbol& left = symbols[candidate.left];
    if (left.gone || left.next == kEnd) continue;
    Symbol& right = symbols[left.next];
    const Result* merge = find(left.piece, right.piece);
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
