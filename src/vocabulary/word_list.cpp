// Both spellings of one list, held against each other.
#include "vocabulary/word_list.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "base/fail.h"
#include "base/json.h"
#include "vocabulary/piece_table.h"

namespace quern {
namespace {

struct SpecialPiece {
  const char* text;
  std::int32_t Vocabulary::* id;
  Vocabulary::PieceType type;
};
constexpr SpecialPiece kSpecialPieces[] = {
    {"<PAD>", &Vocabulary::pad, Vocabulary::PieceType::kControl},
    {"<UNK>", &Vocabulary::unknown, Vocabulary::PieceType::kUnknown},
    {"<BOS>", &Vocabulary::bos, Vocabulary::PieceType::kControl},
    {"<EOS>", &Vocabulary::eos, Vocabulary::PieceType::kControl},
};

const Json* find_either(const Json& list, const char* one, const char* other) {
  const Json* found = list.find(one);
  return found ? found : list.find(other);
}

Vocabulary::Model model_of(const Json& list) {
  const Json* level = list.find("level");
  const std::string& name = level ? level->as_string() : "word";
  if (name == "word") return Vocabulary::Model::kWords;
  if (name == "char") return Vocabulary::Model::kCharacters;
  fail(ErrorCode::kInput, "\"level\" is \"{}\"; \"char\" and \"word\" are known", name);
}

void check_reverse(const Json& reverse, const Json& ids) {
  std::unordered_map<std::string, const Json*> texts;
  for (const auto& [id, text] : reverse.as_object()) texts.emplace(id, &text);
  const auto same = [&](const Json::Member& piece) {
    const auto text = texts.find(std::to_string(piece.second.as_int64()));
    return text != texts.end() && text->second->as_string() == piece.first;
  };
  if (texts.size() != ids.as_object().size() || !std::ranges::all_of(ids.as_object(), same))
    fail(ErrorCode::kInput, "the list from ids to texts is another than that from texts to ids");
}

void fill_up(Vocabulary& vocabulary, std::uint64_t size) {
  const std::uint64_t pieces = vocabulary.pieces.size();
  if (size < pieces) fail(ErrorCode::kInput, "\"vocab_size\" is {}, but there are ids up to {}", size, pieces - 1);
  if (size - pieces > static_cast<std::uint64_t>(PieceTable::kMaxHoles))
    fail(ErrorCode::kInput, "\"vocab_size\" is {}, but there are {} pieces", size, pieces);
  fill_with_unused(vocabulary.pieces, size);
}

}  // namespace

Vocabulary parse_word_list(std::string_view json) {
  const Json list = parse_json(json);
  const Json* ids = find_either(list, "token2id", "token_to_id");
  if (!ids) fail(ErrorCode::kInput, "it has neither \"token2id\" nor \"token_to_id\"");
  Vocabulary vocabulary;
  vocabulary.model = model_of(list);
  vocabulary.add_bos = false;
  vocabulary.add_space_prefix = false;
  PieceTable table;
  table.add_vocabulary(*ids);
  if (const Json* reverse = find_either(list, "id2token", "id_to_token")) check_reverse(*reverse, *ids);
  for (const SpecialPiece& row : kSpecialPieces) {
    vocabulary.*row.id = table.find(row.text);
    if (const std::int32_t id = vocabulary.*row.id; id >= 0) table.add_added({row.text, 0, row.type}, id);
  }
  table.move_into(vocabulary);
  fill_up(vocabulary, list.at("vocab_size").as_uint64());
  return vocabulary;
}

}  // namespace quern
