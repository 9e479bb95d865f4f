// The parts of a tokenizer.json that tokenizer_json.cpp reads.
#include <algorithm>
#include <span>

#include "base/fail.h"
#include "base/json.h"
#include "vocabulary/tokenizer_json.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

bool is_added(const Vocabulary::Piece& piece) {
  return piece.type == Type::kControl || piece.type == Type::kUserDefined || piece.is_added;
}

Json unknown_text(const Vocabulary& vocabulary) {
  return vocabulary.unknown >= 0 ? Json(vocabulary.text_of(vocabulary.unknown)) : Json();
}

// Text -> id of what a word can become.
Json ids_part(const Vocabulary& vocabulary) {
  Json::Object ids;  // not Json::set, which looks through all members
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const Vocabulary::Piece& piece = vocabulary.pieces[i];
    const bool is_kept = vocabulary.pipeline ? piece.in_model : piece.type != Type::kUnused && !is_added(piece);
    if (is_kept) ids.emplace_back(piece.text, std::uint64_t{i});
  }
  return ids;
}

Json bpe_part(const Vocabulary& vocabulary) {
  const Vocabulary::Pipeline none, &pipeline = vocabulary.pipeline ? *vocabulary.pipeline : none;
  const auto affix = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  Json::Array merges;
  for (const auto& [left, right] : vocabulary.merges)
    merges.push_back(Json::array({vocabulary.text_of(left), vocabulary.text_of(right)}));
  return Json::object({{"type", "BPE"},
                       {"dropout", Json()},
                       {"unk_token", unknown_text(vocabulary)},
                       {"continuing_subword_prefix", affix(pipeline.part_prefix)},
                       {"end_of_word_suffix", affix(pipeline.word_suffix)},
                       {"fuse_unk", pipeline.fuse_unknown},
                       {"byte_fallback", pipeline.byte_fallback},
                       {"ignore_merges", vocabulary.ignore_merges},
                       {"vocab", ids_part(vocabulary)},
                       {"merges", std::move(merges)}});
}

Json unigram_part(const Vocabulary& vocabulary) {
  Json::Array pieces;
  const auto& scores = vocabulary.pipeline->scores;
  for (std::size_t i = 0; i < scores.size(); ++i) pieces.push_back(Json::array({vocabulary.pieces[i].text, scores[i]}));
  return Json::object({{"type", "Unigram"},
                       {"unk_id", vocabulary.unknown >= 0 ? Json(vocabulary.unknown) : Json()},
                       {"vocab", std::move(pieces)},
                       {"byte_fallback", vocabulary.pipeline->byte_fallback}});
}

Json word_piece_part(const Vocabulary& vocabulary) {
  constexpr std::size_t kNoLimit = 1'000'000;
  return Json::object(
      {{"type", "WordPiece"},
       {"unk_token", unknown_text(vocabulary)},
       {"continuing_subword_prefix", vocabulary.pipeline->part_prefix},
       {"max_input_chars_per_word", std::uint64_t{std::min(vocabulary.pipeline->longest_word, kNoLimit)}},
       {"vocab", ids_part(vocabulary)}});
}

Json word_level_part(const Vocabulary& vocabulary) {
  return Json::object(
      {{"type", "WordLevel"}, {"vocab", ids_part(vocabulary)}, {"unk_token", unknown_text(vocabulary)}});
}

struct ModelPart {
  Vocabulary::Model model;
  Json (*write)(const Vocabulary& vocabulary);
};
constexpr ModelPart kModelParts[] = {
    {Vocabulary::Model::kByteBpe, bpe_part},          {Vocabulary::Model::kBpe, bpe_part},
    {Vocabulary::Model::kUnigram, unigram_part},      {Vocabulary::Model::kWordPiece, word_piece_part},
    {Vocabulary::Model::kWordLevel, word_level_part},
};

Json model_part(const Vocabulary& vocabulary) {
  const auto row = std::ranges::find(kModelParts, vocabulary.model, &ModelPart::model);
  ensure(row != std::end(kModelParts), "a tokenizer.json of another kind of model");
  return row->write(vocabulary);
}

Json added_part(const Vocabulary& vocabulary) {
  Json::Array tokens;
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    if (const Vocabulary::Piece& piece = vocabulary.pieces[i]; is_added(piece))
      tokens.push_back(Json::object({{"id", std::uint64_t{i}},
                                     {"content", piece.text},
                                     {"single_word", piece.whole_word},
                                     {"lstrip", piece.strips_left},
                                     {"rstrip", piece.strips_right},
                                     {"normalized", piece.in_normalized},
                                     {"special", piece.type != Type::kUserDefined}}));
  return tokens;
}

struct ByteLevel {
  bool prefix = false, splits = false;
};

Json byte_level(const ByteLevel& part) {
  return Json::object(
      {{"type", "ByteLevel"}, {"add_prefix_space", part.prefix}, {"trim_offsets", true}, {"use_regex", part.splits}});
}

// ByteLevel splits as GPT-2 does by itself, if it is to; every other pattern is a part of its own before it.
Json pre_tokenizer_part(const Vocabulary& vocabulary) {
  const std::vector<std::string>& patterns = vocabulary.split_patterns;
  const bool splits = !patterns.empty() && patterns.back() == kGpt2Split;
  Json::Array parts;
  for (const std::string& pattern : std::span(patterns).first(patterns.size() - (splits ? 1 : 0)))
    parts.push_back(Json::object({{"type", "Split"},
                                  {"pattern", Json::object({{"Regex", pattern}})},
                                  {"behavior", "Isolated"},
                                  {"invert", false}}));
  parts.push_back(byte_level({vocabulary.add_space_prefix, splits}));
  return parts.size() == 1 ? parts[0] : Json::object({{"type", "Sequence"}, {"pretokenizers", std::move(parts)}});
}

// One piece of the template: the text, or a special token beside it.
Json text_item(const char* sequence) {
  return Json::object({{"Sequence", Json::object({{"id", sequence}, {"type_id", sequence[0] == 'A' ? 0 : 1}})}});
}

Json special_item(const std::string& text, int type) {
  return Json::object({{"SpecialToken", Json::object({{"id", text}, {"type_id", type}})}});
}

// ByteLevel trims positions and changes no ids.
Json post_processor_part(const Vocabulary& vocabulary) {
  const std::vector<std::int32_t> before = ids_before_text(vocabulary), behind = ids_behind_text(vocabulary);
  Json trimming = byte_level({});
  if (before.empty() && behind.empty()) return trimming;
  Json::Array single, pair;
  Json::Object tokens;
  const auto add = [&](std::int32_t id, Json::Array& items, int type) {
    const std::string& text = vocabulary.text_of(id);
    items.push_back(special_item(text, type));
    if (std::ranges::none_of(tokens, [&](const Json::Member& member) { return member.first == text; }))
      tokens.emplace_back(text,
                          Json::object({{"id", text}, {"ids", Json::array({id})}, {"tokens", Json::array({text})}}));
  };
  for (const char* sequence : {"A", "B"}) {
    Json::Array items;
    const int type = sequence[0] == 'A' ? 0 : 1;
    for (const std::int32_t id : before) add(id, items, type);
    items.push_back(text_item(sequence));
    for (const std::int32_t id : behind) add(id, items, type);
    if (type == 0) single = items;
    pair.insert(pair.end(), items.begin(), items.end());
  }
  Json with_tokens = Json::object({{"type", "TemplateProcessing"},
                                   {"single", std::move(single)},
                                   {"pair", std::move(pair)},
                                   {"special_tokens", std::move(tokens)}});
  return Json::object(
      {{"type", "Sequence"}, {"processors", Json::array({std::move(trimming), std::move(with_tokens)})}});
}

}  // namespace

std::string write_tokenizer_json(const Vocabulary& vocabulary) {
  Json normalizer = vocabulary.nfc ? Json::object({{"type", "NFC"}}) : Json();
  Json pre_tokenizer = vocabulary.pipeline ? vocabulary.pipeline->pre_tokenizer : pre_tokenizer_part(vocabulary);
  if (vocabulary.pipeline) normalizer = vocabulary.pipeline->normalizer;
  const Json json = Json::object({{"version", "1.0"},
                                  {"truncation", Json()},
                                  {"padding", Json()},
                                  {"added_tokens", added_part(vocabulary)},
                                  {"normalizer", std::move(normalizer)},
                                  {"pre_tokenizer", std::move(pre_tokenizer)},
                                  {"post_processor", post_processor_part(vocabulary)},
                                  {"decoder", vocabulary.pipeline ? vocabulary.pipeline->decoder : byte_level({})},
                                  {"model", model_part(vocabulary)}});
  return dump_json(json, 2) + "\n";
}

}  // namespace quern
