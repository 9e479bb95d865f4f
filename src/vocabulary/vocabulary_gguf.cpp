// Key names and defaults are llama.cpp's (src/llama-vocab.cpp): "llama" is sentencepiece BPE, "t5" sentencepiece
// Unigram, "gpt2" byte-level BPE, or under some names of pre-tokenizers BPE of characters, which is what "gemma4"
// always is. Both have merges and the name of a pre-tokenizer in place of scores.
#include "vocabulary/vocabulary_gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/fail.h"
#include "tokenizer/pre_tokenizers.h"
#include "vocabulary/character_bpe_gguf.h"
#include "vocabulary/piece_table.h"
#include "vocabulary/pipeline_gguf.h"

namespace quern {
namespace {

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kPre = "tokenizer.ggml.pre";
constexpr const char* kGemma4 = "gemma4";       // a model, and the pre-tokenizer that it has whatever the file says
constexpr const char* kDefaultPre = "default";  // what llama.cpp takes, with a warning, where a file does not say
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kLowercase = "tokenizer.ggml.normalizer.lowercase";
constexpr const char* kStripAccents = "tokenizer.ggml.normalizer.strip_accents";
constexpr const char* kSeparator = "tokenizer.ggml.seperator_token_id";  // spelled so
constexpr const char* kAddBos = "tokenizer.ggml.add_bos_token";
constexpr const char* kAddEos = "tokenizer.ggml.add_eos_token";
constexpr const char* kAddSpacePrefix = "tokenizer.ggml.add_space_prefix";
constexpr const char* kRemoveExtraWhitespaces = "tokenizer.ggml.remove_extra_whitespaces";
constexpr const char* kCharsmap = "tokenizer.ggml.precompiled_charsmap";

using PieceType = Vocabulary::PieceType;

struct GgufModel {
  const char* name;
  Vocabulary::Model model;
  std::int32_t bos, eos, unknown, pad;  // ids where the pairs are absent; -1: none
  bool add_bos, add_eos, add_space_prefix;
};
constexpr GgufModel kGgufModels[] = {
    {"llama", Vocabulary::Model::kBpe, 1, 2, 0, -1, true, false, true},
    {"t5", Vocabulary::Model::kUnigram, -1, 1, 2, 0, false, true, false},
    {"gpt2", Vocabulary::Model::kByteBpe, -1, -1, -1, -1, false, false, false},
    {kGemma4, Vocabulary::Model::kByteBpe, -1, -1, -1, -1, false, false, false},
    {"bert", Vocabulary::Model::kWordPiece, 101, 102, 100, 0, true, true, false},
};

struct IdRow {
  const char* key;
  std::int32_t Vocabulary::* id;
  std::int32_t GgufModel::* standard;
  PieceType type;  // a default id counts only when its piece is of this type
  // An id outside the vocabulary. Padding is no part of a text, and some converters write -1 for none.
  enum class Outside { kRefused, kNone } outside = Outside::kRefused;
};
constexpr IdRow kIds[] = {
    {"tokenizer.ggml.bos_token_id", &Vocabulary::bos, &GgufModel::bos, PieceType::kControl},
    {"tokenizer.ggml.eos_token_id", &Vocabulary::eos, &GgufModel::eos, PieceType::kControl},
    {"tokenizer.ggml.unknown_token_id", &Vocabulary::unknown, &GgufModel::unknown, PieceType::kUnknown},
    {"tokenizer.ggml.padding_token_id", &Vocabulary::pad, &GgufModel::pad, PieceType::kControl, IdRow::Outside::kNone},
};

template <typename T>
const std::vector<T>& required_array(const Metadata& metadata, const char* key, std::size_t size) {
  const std::vector<T>* items = metadata.array<T>(key);
  if (!items) fail(ErrorCode::kInput, "metadata key \"{}\" is missing", key);
  if (items->size() != size)
    fail(ErrorCode::kInput, "metadata key \"{}\" has {} items for {} tokens", key, items->size(), size);
  return *items;
}

PieceType piece_type(std::int32_t number, std::size_t token) {
  if (number < 1 || number > 6) fail(ErrorCode::kInput, "\"{}\" of token {} is {}, not 1 to 6", kTypes, token, number);
  return static_cast<PieceType>(number);
}

std::int32_t id_of(const Metadata& metadata, const IdRow& row, const GgufModel& model, const Vocabulary& vocabulary) {
  const auto count = static_cast<std::int64_t>(vocabulary.pieces.size());
  if (const auto id = metadata.integer(row.key)) {
    if (*id >= 0 && *id < count) return static_cast<std::int32_t>(*id);
    if (row.outside == IdRow::Outside::kNone) return -1;
    fail(ErrorCode::kInput, "metadata key \"{}\" is {}, but there are {} tokens", row.key, *id, count);
  }
  const std::int32_t standard = model.*row.standard;
  const bool fits =
      standard >= 0 && standard < count && vocabulary.pieces[static_cast<std::size_t>(standard)].type == row.type;
  return fits ? standard : -1;
}

std::string charsmap_of(const Metadata& metadata) {
  const MetaValue* value = metadata.find(kCharsmap);
  const auto* array = value ? std::get_if<MetaArray>(value) : nullptr;
  if (array && std::holds_alternative<std::vector<std::int8_t>>(array->items)) {  // some converters wrote signed bytes
    const auto& bytes = std::get<std::vector<std::int8_t>>(array->items);
    return std::string(bytes.begin(), bytes.end());
  }
  const auto* bytes = metadata.array<std::uint8_t>(kCharsmap);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

// The pairs that only sentencepiece vocabularies have.
void add_sentencepiece_pairs(Metadata& metadata, const Vocabulary& vocabulary) {
  if (!vocabulary.escape_whitespaces) {
    fail(ErrorCode::kInput, "the tokenizer does not escape white space, which GGUF cannot express");
  }
  std::vector<float> scores;
  for (const Vocabulary::Piece& piece : vocabulary.pieces) scores.push_back(piece.score);
  metadata.set(kPre, std::string("default"));
  metadata.set(kScores, MetaArray{std::move(scores)});
  metadata.set(kAddSpacePrefix, vocabulary.add_space_prefix);
  metadata.set(kRemoveExtraWhitespaces, vocabulary.remove_extra_whitespaces);
  if (const std::string& map = vocabulary.precompiled_charsmap; !map.empty()) {
    metadata.set(kCharsmap, MetaArray{std::vector<std::uint8_t>(map.begin(), map.end())});
  }
}

MetaArray lines_of_merges(const Vocabulary& vocabulary) {
  std::vector<std::string> merges;
  for (const auto& [left, right] : vocabulary.merges) {
    const std::string& a = vocabulary.pieces[static_cast<std::size_t>(left)].text;
    merges.push_back(a + " " + vocabulary.pieces[static_cast<std::size_t>(right)].text);
  }
  return {std::move(merges)};
}

void add_byte_bpe_pairs(Metadata& metadata, const Vocabulary& vocabulary) {
  const PreTokenizer* pre = pre_tokenizer_of(vocabulary);
  if (!pre) {
    fail(ErrorCode::kInput,
         "GGUF has no name for a tokenizer that splits text by {} pattern(s) \"{}\"{}, as far as Quern knows",
         vocabulary.split_patterns.size(), fmt::join(vocabulary.split_patterns, "\", \""),
         vocabulary.ignore_merges ? " and ignores merges" : "");
  }
  if (vocabulary.add_space_prefix)
    fail(ErrorCode::kInput, "the tokenizer puts a space before a text, which GGUF cannot express for byte-level BPE");
  metadata.set(kPre, std::string(pre->name));
  metadata.set(kMerges, lines_of_merges(vocabulary));
}

void add_character_bpe_pairs(Metadata& metadata, const Vocabulary& vocabulary) {
  metadata.set(kPre, std::string(marked_split().name));
  metadata.set(kMerges, lines_of_merges(vocabulary));
}

// The id says which piece is the unknown one. Some converters wrote its type for padding rows too, and over its own the
// one of an added token.
void settle_unknown(const Metadata& metadata, Vocabulary& vocabulary) {
  if (vocabulary.unknown < 0 || !metadata.integer("tokenizer.ggml.unknown_token_id")) return;
  for (Vocabulary::Piece& piece : vocabulary.pieces)
    if (piece.type == PieceType::kUnknown) piece.type = PieceType::kUnused;
  vocabulary.pieces[static_cast<std::size_t>(vocabulary.unknown)].type = PieceType::kUnknown;
}

void read_sentencepiece_pairs(const Metadata& metadata, const GgufModel& model, Vocabulary& vocabulary) {
  const auto& scores = required_array<float>(metadata, kScores, vocabulary.pieces.size());
  for (std::size_t i = 0; i < scores.size(); ++i) vocabulary.pieces[i].score = scores[i];
  vocabulary.add_space_prefix = metadata.boolean(kAddSpacePrefix).value_or(model.add_space_prefix);
  vocabulary.remove_extra_whitespaces = metadata.boolean(kRemoveExtraWhitespaces).value_or(false);
  vocabulary.precompiled_charsmap = charsmap_of(metadata);
  settle_unknown(metadata, vocabulary);
}

// BERT begins a text with [CLS] and ends it with [SEP], for which llama.cpp has a key of its own.
void add_bert_pairs(Metadata& metadata, const Vocabulary& vocabulary) {
  const BertOptions options = bert_options(vocabulary);
  metadata.set(kPre, std::string("default"));
  metadata.set(kLowercase, options.lowercase);
  metadata.set(kStripAccents, options.strip_accents);
  if (vocabulary.eos >= 0) metadata.set(kSeparator, static_cast<std::uint32_t>(vocabulary.eos));
}

void read_bert_pairs(const Metadata& metadata, Vocabulary& vocabulary) {
  const auto count = static_cast<std::int64_t>(vocabulary.pieces.size());
  const auto take = [&](const char* key, std::int32_t& id) {
    if (const auto stated = metadata.integer(key); stated && *stated >= 0 && *stated < count)
      id = static_cast<std::int32_t>(*stated);
  };
  take("tokenizer.ggml.cls_token_id", vocabulary.bos);
  take(kSeparator, vocabulary.eos);
  vocabulary.escape_whitespaces = vocabulary.add_space_prefix = false;
  const bool lowercase = metadata.boolean(kLowercase).value_or(true);
  settle_unknown(metadata, vocabulary);
  add_bert_pipeline(vocabulary, {lowercase, metadata.boolean(kStripAccents).value_or(lowercase)});
}

void read_merges(const Metadata& metadata, Vocabulary& vocabulary) {
  const auto* merges = metadata.array<std::string>(kMerges);
  if (!merges) fail(ErrorCode::kInput, "metadata key \"{}\" is missing", kMerges);
  vocabulary.merges = with_context(fmt::format("metadata key \"{}\"", kMerges),
                                   [&] { return merges_of_lines(*merges, vocabulary.pieces); });
}

void read_character_bpe_pairs(const Metadata& metadata, const CharacterSplit& split, Vocabulary& vocabulary) {
  const bool lowers = metadata.boolean(kLowercase).value_or(false);
  add_character_pipeline(vocabulary, split, lowers ? CharacterSplit::Case::kLowered : CharacterSplit::Case::kKept);
  settle_unknown(metadata, vocabulary);
  if (vocabulary.unknown >= 0) vocabulary.pieces[static_cast<std::size_t>(vocabulary.unknown)].is_added = true;
  read_merges(metadata, vocabulary);
}

void read_bpe_pairs(const Metadata& metadata, const GgufModel& model, Vocabulary& vocabulary) {
  const std::string name =
      model.name == std::string_view(kGemma4) ? kGemma4 : metadata.text(kPre).value_or(kDefaultPre);
  if (const CharacterSplit* split = find_character_split(name))
    return read_character_bpe_pairs(metadata, *split, vocabulary);
  const PreTokenizer* pre = find_pre_tokenizer(name);
  if (!pre) fail(ErrorCode::kInput, "\"{}\" is \"{}\"; no pre-tokenizer of that name is known", kPre, name);
  vocabulary.split_patterns = pre->split_patterns();
  vocabulary.nfc = pre->nfc;
  vocabulary.ignore_merges = pre->ignore_merges;
  vocabulary.escape_whitespaces = vocabulary.add_space_prefix = false;
  vocabulary.add_bos = metadata.boolean(kAddBos).value_or(pre->add_bos);
  read_merges(metadata, vocabulary);
}

}  // namespace

void add_vocabulary(Metadata& metadata, const Vocabulary& source) {
  if (std::max(source.before_text.size(), source.behind_text.size()) > 0)
    fail(ErrorCode::kInput,
         "the tokenizer adds {} special tokens before a text and {} behind it; GGUF can express one on a side",
         ids_before_text(source).size(), ids_behind_text(source).size());
  const Vocabulary vocabulary = source.pipeline ? gguf_form(source) : source;
  const auto model = std::find_if(std::begin(kGgufModels), std::end(kGgufModels),
                                  [&](const GgufModel& row) { return row.model == vocabulary.model; });
  ensure(model != std::end(kGgufModels), "a vocabulary of an unknown model");
  for (const char* key : {kScores, kMerges, kCharsmap, kAddSpacePrefix, kRemoveExtraWhitespaces}) metadata.erase(key);
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  for (const Vocabulary::Piece& piece : vocabulary.pieces) {
    tokens.push_back(vocabulary.model == Vocabulary::Model::kWordPiece ? bert_text(piece) : piece.text);
    types.push_back(static_cast<std::int32_t>(piece.type));
  }
  metadata.set(kModel, std::string(model->name));
  metadata.set(kTokens, MetaArray{std::move(tokens)});
  metadata.set(kTypes, MetaArray{std::move(types)});
  for (const IdRow& row : kIds) {
    metadata.erase(row.key);
    if (const std::int32_t id = vocabulary.*row.id; id >= 0) metadata.set(row.key, static_cast<std::uint32_t>(id));
  }
  metadata.set(kAddBos, vocabulary.add_bos);
  metadata.set(kAddEos, vocabulary.add_eos);
  if (vocabulary.model == Vocabulary::Model::kWordPiece) {
    add_bert_pairs(metadata, vocabulary);
  } else if (vocabulary.model == Vocabulary::Model::kByteBpe) {
    vocabulary.pipeline ? add_character_bpe_pairs(metadata, vocabulary) : add_byte_bpe_pairs(metadata, vocabulary);
  } else {
    add_sentencepiece_pairs(metadata, vocabulary);
  }
}

Vocabulary vocabulary_of(const Metadata& metadata) {
  const auto name = metadata.text(kModel);
  if (!name) fail(ErrorCode::kInput, "the file has no vocabulary: metadata key \"{}\" is missing", kModel);
  const auto model = std::find_if(std::begin(kGgufModels), std::end(kGgufModels),
                                  [&](const GgufModel& row) { return *name == row.name; });
  if (model == std::end(kGgufModels)) {
    fail(ErrorCode::kInput,
         "\"{}\" is \"{}\"; the tokenizers \"llama\" (sentencepiece BPE), \"t5\" (Unigram), \"gpt2\" and \"gemma4\" "
         "(BPE with merges) and \"bert\" (WordPiece) are supported",
         kModel, *name);
  }
  Vocabulary vocabulary;
  vocabulary.model = model->model;
  const auto* tokens = metadata.array<std::string>(kTokens);
  if (!tokens || tokens->empty()) fail(ErrorCode::kInput, "metadata key \"{}\" is missing or empty", kTokens);
  if (tokens->size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    fail(ErrorCode::kInput, "{} tokens are more than 32-bit ids can count", tokens->size());
  }
  const auto& types = required_array<std::int32_t>(metadata, kTypes, tokens->size());
  for (std::size_t i = 0; i < tokens->size(); ++i)
    vocabulary.pieces.push_back({(*tokens)[i], 0, piece_type(types[i], i)});
  for (const IdRow& row : kIds) vocabulary.*row.id = id_of(metadata, row, *model, vocabulary);
  vocabulary.add_bos = metadata.boolean(kAddBos).value_or(model->add_bos);
  vocabulary.add_eos = metadata.boolean(kAddEos).value_or(model->add_eos);
  if (vocabulary.model == Vocabulary::Model::kWordPiece) {
    read_bert_pairs(metadata, vocabulary);
  } else if (vocabulary.model == Vocabulary::Model::kByteBpe) {
    read_bpe_pairs(metadata, *model, vocabulary);
  } else {
    read_sentencepiece_pairs(metadata, *model, vocabulary);
  }
  return vocabulary;
}

}  // namespace quern
