// Rules of a vocabulary, and of sentencepiece's precompiled normalisation table:
//
//   u32 n        bytes of the trie, a multiple of 4
//   u32[n / 4]   a double-array trie as darts-clone lays it out; a unit's children begin at index ^ offset
//   char[]       replacements, each ended by a NUL; the trie's values are positions in here
#include "tokenizer/vocabulary_check.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/utf8.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

bool is_sentencepiece(const Vocabulary& vocabulary) {
  if (vocabulary.pipeline) return false;
  return vocabulary.model == Vocabulary::Model::kBpe || vocabulary.model == Vocabulary::Model::kUnigram;
}

void check_pieces(const Vocabulary& vocabulary) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(vocabulary.pieces.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const Vocabulary::Piece& piece = vocabulary.pieces[i];
    if (piece.text.empty()) fail(ErrorCode::kInput, "piece {} of the vocabulary is empty", i);
    if (piece.text.find('\0') != std::string::npos)
      fail(ErrorCode::kInput, "piece {} of the vocabulary holds a NUL byte", i);
    if (!is_sentencepiece(vocabulary) && first_invalid_utf8(piece.text))
      fail(ErrorCode::kInput, "piece {} of the vocabulary is not UTF-8", i);
    if (!std::isfinite(piece.score))
      fail(ErrorCode::kInput, "piece {} of the vocabulary, \"{}\", has the score {}", i, piece.text, piece.score);
    if (!seen.insert(piece.text).second)
      fail(ErrorCode::kInput, "piece {} of the vocabulary, \"{}\", is there twice", i, piece.text);
  }
}

void check_byte_pieces(const Vocabulary& vocabulary) {
  std::size_t count = 0;
  for (const Vocabulary::Piece& piece : vocabulary.pieces) {
    if (piece.type != Type::kByte) continue;
    ++count;
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    const std::string& t = piece.text;
    if (t.size() != 6 || !t.starts_with("<0x") || !is_digit(t[3]) || !is_digit(t[4]) || t[5] != '>') {
      fail(ErrorCode::kInput, "byte piece \"{}\" of the vocabulary is not of the form <0x0A>", t);
    }
  }
  if (count != 0 && count != 256)
    fail(ErrorCode::kInput, "the vocabulary has {} byte pieces; there must be all 256 or none", count);
}

void check_kinds(const Vocabulary& vocabulary) {
  const auto& pieces = vocabulary.pieces;
  const auto unknowns =
      std::count_if(pieces.begin(), pieces.end(), [](const auto& p) { return p.type == Type::kUnknown; });
  if (unknowns != 1)
    fail(ErrorCode::kInput, "the vocabulary of {} pieces has {} unknown pieces; there must be one", pieces.size(),
         unknowns);
  if (std::none_of(pieces.begin(), pieces.end(), [](const auto& p) { return p.type == Type::kNormal; })) {
    fail(ErrorCode::kInput, "the vocabulary of {} pieces has no normal piece", pieces.size());
  }
}

void check_ids(const Vocabulary& vocabulary) {
  const auto& pieces = vocabulary.pieces;
  for (const auto* side : {&vocabulary.before_text, &vocabulary.behind_text})
    for (const std::int32_t id : *side)
      if (id < 0 || id >= static_cast<std::int64_t>(pieces.size()))
        fail(ErrorCode::kInput, "the id {} is added to texts, but the vocabulary has {} pieces", id, pieces.size());
  const std::pair<const char*, std::int32_t> ids[] = {
      {"bos", vocabulary.bos}, {"eos", vocabulary.eos}, {"unknown", vocabulary.unknown}, {"pad", vocabulary.pad}};
  for (const auto& [name, id] : ids) {
    if (id < -1 || id >= static_cast<std::int64_t>(pieces.size())) {
      fail(ErrorCode::kInput, "the {} id is {}, but the vocabulary has {} pieces", name, id, pieces.size());
    }
  }
}

// One unit of the trie: bit 31 marks a value; otherwise bits 10..30 are the offset (times 256 where bit 9 is set) and
// bit 8 says that the first child is a value.
void check_trie(ByteSpan trie, std::string_view replacements) {
  const std::uint64_t units = trie.size() / 4;
  const auto unit_at = [&](std::uint64_t i) { return load<std::uint32_t>(trie.data() + i * 4); };
  for (std::uint64_t i = 0; i < units; ++i) {
    const std::uint32_t unit = unit_at(i);
    if (unit >> 31) continue;
    const std::uint64_t children = i ^ (std::uint64_t{unit >> 10} << ((unit & 0x200u) >> 6));
    const bool inside = (children | 0xff) < units;
    const bool has_value = (unit >> 8) & 1;
    if (!inside || (has_value && (unit_at(children) & 0x7fffffffu) >= replacements.size())) {
      fail(ErrorCode::kInput, "the table of normalisation rules is broken: unit {} of its trie points outside", i);
    }
  }
}

}  // namespace

void check_charsmap(std::string_view map) {
  if (map.empty()) return;
  const std::uint64_t trie_bytes = map.size() > 4 ? load<std::uint32_t>(map.data()) : 0;
  if (map.size() <= 4 || trie_bytes % 4 != 0 || trie_bytes == 0 || trie_bytes >= map.size() - 4 || map.back() != '\0') {
    fail(ErrorCode::kInput, "the table of normalisation rules is broken: {} bytes, of which the trie claims {}",
         map.size(), trie_bytes);
  }
  check_trie(std::as_bytes(std::span(map)).subspan(4, trie_bytes), map.substr(4 + trie_bytes));
}

void check_vocabulary(const Vocabulary& vocabulary) {
  check_pieces(vocabulary);
  check_ids(vocabulary);
  if (!is_sentencepiece(vocabulary)) return;
  check_kinds(vocabulary);
  check_byte_pieces(vocabulary);
  check_charsmap(vocabulary.precompiled_charsmap);
}

}  // namespace quern
