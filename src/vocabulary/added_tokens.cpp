// Both forms become one list, which is added in the order of the ids.
#include "vocabulary/added_tokens.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "text/json_part.h"
#include "tokenizer/byte_bpe.h"
#include "vocabulary/piece_table.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

// Of pieces that sentencepiece did not train (llama.cpp's converter writes the same number).
constexpr float kAddedScore = -1000;

struct AddedToken {
  std::int64_t id = 0;
  Vocabulary::Piece piece;
};

// sentencepiece knows its pieces by their types alone.
bool follows_rules(const Vocabulary& vocabulary) {
  return vocabulary.pipeline || vocabulary.model == Vocabulary::Model::kByteBpe;
}

// The added piece in place of one that is there. An unknown one stays so.
void replace_piece(Vocabulary::Piece& place, Vocabulary::Piece added) {
  added.score = place.score;
  added.in_model = place.in_model;
  if (place.type == Type::kUnknown) added.type = place.type;
  place = std::move(added);
}

// A place in the vocabulary gets another text, as chat models do with pieces that were left for it. In byte-level BPE
// only of an unused piece: merges would give the others all the same.
void rename_piece(Vocabulary& vocabulary, AddedToken token) {
  Vocabulary::Piece& piece = vocabulary.pieces[static_cast<std::size_t>(token.id)];
  const bool is_left = piece.type == Type::kUnused;
  if (vocabulary.model == Vocabulary::Model::kByteBpe && !is_left)
    fail(ErrorCode::kInput, "the added token \"{}\" has the id {}, but in the vocabulary that is \"{}\"",
         token.piece.text, token.id, piece.text);
  replace_piece(piece, std::move(token.piece));
}

void append_piece(Vocabulary& vocabulary, Vocabulary::Piece piece) {
  if (follows_rules(vocabulary)) {
    piece.in_model = false;
  } else {
    piece.score = kAddedScore;
  }
  vocabulary.pieces.push_back(std::move(piece));
}

void add_all(Vocabulary& vocabulary, std::vector<AddedToken> tokens) {
  std::ranges::sort(tokens, {}, &AddedToken::id);
  auto& pieces = vocabulary.pieces;
  TextIds present;
  for (std::size_t i = 0; i < pieces.size(); ++i) present.emplace(pieces[i].text, static_cast<std::int32_t>(i));
  std::int64_t holes = 0;
  for (AddedToken& token : tokens) {
    const std::string& text = token.piece.text;
    if (const auto found = present.find(text); found != present.end()) {
      if (found->second != token.id)
        fail(ErrorCode::kInput, "the added token \"{}\" has the id {}, but in the vocabulary it is {}", text, token.id,
             found->second);
      if (follows_rules(vocabulary))
        replace_piece(pieces[static_cast<std::size_t>(found->second)], std::move(token.piece));
      continue;
    }
    if (token.id < 0) fail(ErrorCode::kInput, "the added token \"{}\" has the id {}", text, token.id);
    holes += std::max<std::int64_t>(0, token.id - static_cast<std::int64_t>(pieces.size()));
    if (holes > PieceTable::kMaxHoles)
      fail(ErrorCode::kInput, "the added token \"{}\" has the id {}, but the vocabulary has only {} pieces", text,
           token.id, pieces.size());
    fill_with_unused(pieces, static_cast<std::size_t>(token.id));
    present.emplace(text, static_cast<std::int32_t>(token.id));
    if (token.id < static_cast<std::int64_t>(pieces.size())) {
      present.erase(pieces[static_cast<std::size_t>(token.id)].text);
      rename_piece(vocabulary, std::move(token));
    } else {
      append_piece(vocabulary, std::move(token.piece));
    }
  }
}

}  // namespace

Vocabulary::Piece added_piece(const Json& token) {
  const bool special = flag_of(token, "special").value_or(false);
  return {.text = token.at("content").as_string(),
          .type = special ? Type::kControl : Type::kUserDefined,
          .in_normalized = flag_of(token, "normalized").value_or(!special),
          .strips_left = flag_of(token, "lstrip").value_or(false),
          .strips_right = flag_of(token, "rstrip").value_or(false),
          .whole_word = flag_of(token, "single_word").value_or(false),
          .is_added = true};
}

void add_added_tokens_decoder(Vocabulary& vocabulary, const Json& decoder) {
  std::vector<AddedToken> tokens;
  for (const auto& [key, token] : decoder.as_object()) {
    AddedToken added;
    const char* end = key.data() + key.size();
    if (const auto read = std::from_chars(key.data(), end, added.id); read.ec != std::errc() || read.ptr != end)
      fail(ErrorCode::kInput, "\"{}\" in added_tokens_decoder is not an id", key);
    added.piece = added_piece(token);
    tokens.push_back(std::move(added));
  }
  add_all(vocabulary, std::move(tokens));
}

void add_added_tokens(Vocabulary& vocabulary, const Json& ids) {
  std::vector<AddedToken> tokens;
  TextIds present;
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    present.emplace(vocabulary.pieces[i].text, static_cast<std::int32_t>(i));
  for (const auto& [text, id] : ids.as_object()) {
    const auto found = present.find(text);
    AddedToken token{id.as_int64(), {.text = text, .type = Type::kUserDefined, .is_added = true}};
    // What is there already keeps its rules, which this file does not tell.
    if (found != present.end()) token.piece = vocabulary.pieces[static_cast<std::size_t>(found->second)];
    tokens.push_back(std::move(token));
  }
  add_all(vocabulary, std::move(tokens));
}

}  // namespace quern
