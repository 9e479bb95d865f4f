// Both forms become one list, which is added in the order of the ids.
#include "vocabulary/added_tokens.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "tokenizer/byte_bpe.h"
#include "vocabulary/piece_table.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

// Of pieces that sentencepiece did not train (llama.cpp's converter writes the same number).
constexpr float kAddedScore = -1000;

struct AddedToken {
  std::int64_t id = 0;
  std::string text;
  Type type = Type::kUserDefined;
};

// A place in the vocabulary gets another text, as chat models do with pieces that were left for it. In byte-level BPE
// only of an unused piece: merges would give the others all the same.
void rename_piece(Vocabulary& vocabulary, AddedToken token) {
  Vocabulary::Piece& piece = vocabulary.pieces[static_cast<std::size_t>(token.id)];
  const bool is_left = piece.type == Type::kUnused;
  if (vocabulary.model == Vocabulary::Model::kByteBpe && !is_left)
    fail(ErrorCode::kInput, "the added token \"{}\" has the id {}, but in the vocabulary that is \"{}\"", token.text,
         token.id, piece.text);
  piece.text = std::move(token.text);
  if (piece.type != Type::kUnknown) piece.type = token.type;
}

void add_all(Vocabulary& vocabulary, std::vector<AddedToken> tokens) {
  std::ranges::sort(tokens, {}, &AddedToken::id);
  const bool byte_bpe = vocabulary.model == Vocabulary::Model::kByteBpe;
  auto& pieces = vocabulary.pieces;
  TextIds present;
  for (std::size_t i = 0; i < pieces.size(); ++i) present.emplace(pieces[i].text, static_cast<std::int32_t>(i));
  std::int64_t holes = 0;
  for (AddedToken& token : tokens) {
    if (const auto found = present.find(token.text); found != present.end()) {
      if (found->second != token.id)
        fail(ErrorCode::kInput, "the added token \"{}\" has the id {}, but in the vocabulary it is {}", token.text,
             token.id, found->second);
      if (byte_bpe) pieces[static_cast<std::size_t>(found->second)].type = token.type;
      continue;
    }
    if (token.id < 0) fail(ErrorCode::kInput, "the added token \"{}\" has the id {}", token.text, token.id);
    holes += std::max<std::int64_t>(0, token.id - static_cast<std::int64_t>(pieces.size()));
    if (holes > PieceTable::kMaxHoles)
      fail(ErrorCode::kInput, "the added token \"{}\" has the id {}, but the vocabulary has only {} pieces", token.text,
           token.id, pieces.size());
    fill_with_unused(pieces, static_cast<std::size_t>(token.id));
    present.emplace(token.text, static_cast<std::int32_t>(token.id));
    if (token.id < static_cast<std::int64_t>(pieces.size())) {
      present.erase(pieces[static_cast<std::size_t>(token.id)].text);
      rename_piece(vocabulary, std::move(token));
    } else {
      pieces.push_back({std::move(token.text), byte_bpe ? 0 : kAddedScore, token.type});
    }
  }
}

}  // namespace

void add_added_tokens_decoder(Vocabulary& vocabulary, const Json& decoder) {
  std::vector<AddedToken> tokens;
  for (const auto& [key, token] : decoder.as_object()) {
    AddedToken added;
    const char* end = key.data() + key.size();
    if (const auto read = std::from_chars(key.data(), end, added.id); read.ec != std::errc() || read.ptr != end)
      fail(ErrorCode::kInput, "\"{}\" in added_tokens_decoder is not an id", key);
    added.text = token.at("content").as_string();
    if (const Json* special = token.find("special"); special && special->as_bool()) added.type = Type::kControl;
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
    // What is there already keeps its type, which this file does not tell.
    const Type type =
        found == present.end() ? Type::kUserDefined : vocabulary.pieces[static_cast<std::size_t>(found->second)].type;
    tokens.push_back({id.as_int64(), text, type});
  }
  add_all(vocabulary, std::move(tokens));
}

}  // namespace quern
