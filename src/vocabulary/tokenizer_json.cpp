// The parts of a tokenizer.json (huggingface.co/docs/tokenizers):
//
//   model           "BPE": vocab (text -> id), merges ("a b" or ["a", "b"]), ignore_merges, unk_token, byte_fallback
//                   "Unigram": vocab ([text, score], by id), unk_id, byte_fallback
//                   "WordPiece", "WordLevel": vocab (text -> id), unk_token
//   normalizer      normalizers.cpp
//   pre_tokenizer   word_cutters.cpp
//   added_tokens    pieces that are found before the text is split
//   post_processor  "TemplateProcessing", "BertProcessing", "RobertaProcessing": which special ids are added;
//                   "ByteLevel": nothing of them
//   decoder         token_decoders.cpp
//
// A byte-level BPE that splits by patterns alone is described by them, as GGUF has it; all others have a pipeline.
// Truncation and padding do not belong to the vocabulary and are passed over.
#include "vocabulary/tokenizer_json.h"

#include <algorithm>
#include <optional>

#include "base/fail.h"
#include "text/json_part.h"
#include "vocabulary/added_tokens.h"
#include "vocabulary/piece_table.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;
using Pipeline = Vocabulary::Pipeline;

[[noreturn]] void unsupported(std::string_view part, std::string_view what) {
  fail(ErrorCode::kInput,
       "{} {} is not supported; a model whose tokenizer has it can be compressed by `scheme` simple, without text",
       part, what);
}

bool is_absent(const Json* value) { return !value || value->is_null(); }

const Json& part_of(const Json& json, const char* name) {
  static const Json kNull;
  const Json* part = json.find(name);
  return part ? *part : kNull;
}

// A model while it is read.
struct Reading {
  PieceTable table;
  Vocabulary vocabulary;
  Pipeline pipeline;
};

void read_bpe(const Json& model, Reading& out) {
  if (const Json* dropout = model.find("dropout"); !is_absent(dropout) && dropout->as_double() != 0)
    unsupported("model \"BPE\"", "with \"dropout\"");
  out.vocabulary.model = Vocabulary::Model::kBpe;
  out.vocabulary.ignore_merges = flag_of(model, "ignore_merges").value_or(false);
  out.pipeline.byte_fallback = flag_of(model, "byte_fallback").value_or(false);
  out.pipeline.fuse_unknown = flag_of(model, "fuse_unk").value_or(false);
  out.pipeline.part_prefix = text_of(model, "continuing_subword_prefix", "");
  out.pipeline.word_suffix = text_of(model, "end_of_word_suffix", "");
  out.table.add_vocabulary(model.at("vocab"));
  for (const Json& merge : model.at("merges").as_array()) {
    if (merge.is_string()) {
      out.table.add_merge(merge.as_string());
      continue;
    }
    const Json::Array& pair = merge.as_array();
    if (pair.size() != 2) fail(ErrorCode::kInput, "a merge of {} pieces; each joins two", pair.size());
    out.table.add_merge(pair[0].as_string(), pair[1].as_string());
  }
}

void read_unigram(const Json& model, Reading& out) {
  out.vocabulary.model = Vocabulary::Model::kUnigram;
  out.pipeline.byte_fallback = flag_of(model, "byte_fallback").value_or(false);
  for (const Json& entry : model.at("vocab").as_array()) {
    const Json::Array& pair = entry.as_array();
    if (pair.size() != 2) fail(ErrorCode::kInput, "a piece of {} members; each has a text and a score", pair.size());
    const std::size_t id = out.pipeline.scores.size();
    out.pipeline.scores.push_back(pair[1].as_double());
    out.table.add_piece({.text = pair[0].as_string(), .score = static_cast<float>(out.pipeline.scores.back())},
                        static_cast<std::int64_t>(id));
  }
  const Json* unknown = model.find("unk_id");
  if (is_absent(unknown)) return;
  if (unknown->as_uint64() >= out.pipeline.scores.size())
    fail(ErrorCode::kInput, "unk_id is {}, but there are {} pieces", unknown->as_uint64(), out.pipeline.scores.size());
  out.vocabulary.unknown = static_cast<std::int32_t>(unknown->as_uint64());
}

void read_word_piece(const Json& model, Reading& out) {
  out.vocabulary.model = Vocabulary::Model::kWordPiece;
  out.pipeline.part_prefix = text_of(model, "continuing_subword_prefix", "##");
  out.pipeline.longest_word = count_of(model, "max_input_chars_per_word", 100);
  out.table.add_vocabulary(model.at("vocab"));
}

void read_word_level(const Json& model, Reading& out) {
  out.vocabulary.model = Vocabulary::Model::kWordLevel;
  out.table.add_vocabulary(model.at("vocab"));
}

struct ModelRow {
  const char* type;
  const char* key;  // by which files without a type are known
  void (*read)(const Json& model, Reading& out);
};
constexpr ModelRow kModels[] = {
    {"BPE", "merges", read_bpe},
    {"Unigram", "unk_id", read_unigram},
    {"WordPiece", "continuing_subword_prefix", read_word_piece},
    {"WordLevel", "unk_token", read_word_level},
};

void read_model(const Json& model, Reading& out) {
  const Json* type = model.find("type");
  const auto row = std::ranges::find_if(kModels, [&](const ModelRow& known) {
    return is_absent(type) ? model.find(known.key) != nullptr : type->as_string() == known.type;
  });
  if (row == std::end(kModels))
    unsupported("model", is_absent(type) ? "without a type" : fmt::format("\"{}\"", type->as_string()));
  row->read(model, out);
}

// Of the vocabulary, or added to it.
void read_unknown(const Json& model, Reading& out) {
  const Json* unknown = model.find("unk_token");
  if (is_absent(unknown)) return;
  out.vocabulary.unknown = out.table.find(unknown->as_string());
  if (out.vocabulary.unknown < 0)
    fail(ErrorCode::kInput, "unk_token \"{}\" is no piece of the vocabulary", unknown->as_string());
}

// What a byte-level BPE that splits by patterns alone does with a text.
struct PlainSplit {
  std::vector<std::string> patterns;
  bool space_prefix = false;
};

// Nullopt where matches do not simply stand by themselves.
std::optional<std::string> plain_pattern(const Json& part) {
  const Json* pattern = part.at("pattern").find("Regex");
  if (!pattern) return std::nullopt;
  const std::string& text = pattern->as_string();
  const std::string behavior = text_of(part, "behavior", "Removed");
  const bool inverted = flag_of(part, "invert").value_or(false);
  // Matches stay and the rest goes: the same as "Isolated" with a pattern that leaves no rest.
  const bool leaves_nothing = text.ends_with("|\\s+") && std::ranges::any_of(pre_tokenizers(), [&](const auto& known) {
                                return known.split_patterns() == std::vector{text};
                              });
  const bool is_plain = behavior == "Isolated" || (behavior == "Removed" && inverted && leaves_nothing);
  return is_plain ? std::optional(text) : std::nullopt;
}

std::optional<PlainSplit> plain_split(const Json& pre_tokenizer) {
  PlainSplit split;
  bool to_bytes = false;
  for (const Json* part : members_of(pre_tokenizer, "pretokenizers")) {
    const std::string& type = part->at("type").as_string();
    if (to_bytes) return std::nullopt;
    if (type == "Split") {
      const std::optional<std::string> pattern = plain_pattern(*part);
      if (!pattern) return std::nullopt;
      split.patterns.push_back(*pattern);
    } else if (type == "Digits") {
      split.patterns.push_back(flag_of(*part, "individual_digits").value_or(false) ? kEveryDigit : "\\p{N}+");
    } else if (type == "ByteLevel") {
      to_bytes = true;
      split.space_prefix = flag_of(*part, "add_prefix_space").value_or(true);
      if (split.space_prefix && !split.patterns.empty()) return std::nullopt;
      if (flag_of(*part, "use_regex").value_or(true)) split.patterns.emplace_back(kGpt2Split);
    } else {
      return std::nullopt;
    }
  }
  return to_bytes ? std::optional(std::move(split)) : std::nullopt;
}

// Whether all members are of this type; of no members too.
bool has_only(const Json& part, const char* members, std::string_view type) {
  return std::ranges::all_of(members_of(part, members),
                             [&](const Json* one) { return one->at("type").as_string() == type; });
}

// Describes how a text is taken apart by patterns or, where those do not say it, by a pipeline.
void read_ways(const Json& json, Reading& out) {
  Vocabulary& vocabulary = out.vocabulary;
  Pipeline& pipeline = out.pipeline;
  pipeline.normalizer = part_of(json, "normalizer");
  pipeline.pre_tokenizer = part_of(json, "pre_tokenizer");
  pipeline.decoder = part_of(json, "decoder");
  const bool is_bpe = vocabulary.model == Vocabulary::Model::kBpe;
  const std::optional<PlainSplit> split = is_bpe ? plain_split(pipeline.pre_tokenizer) : std::nullopt;
  if (split) vocabulary.model = Vocabulary::Model::kByteBpe;
  const bool is_plain = split && !pipeline.byte_fallback && pipeline.part_prefix.empty() &&
                        pipeline.word_suffix.empty() && has_only(pipeline.normalizer, "normalizers", "NFC") &&
                        has_only(pipeline.decoder, "decoders", "ByteLevel");
  if (!is_plain) {
    vocabulary.pipeline = std::make_shared<const Pipeline>(std::move(pipeline));
    return;
  }
  vocabulary.split_patterns = split->patterns;
  vocabulary.add_space_prefix = split->space_prefix;
  vocabulary.nfc = !members_of(pipeline.normalizer, "normalizers").empty();
}

void read_added_tokens(const Json& tokens, PieceTable& table) {
  for (const Json& token : tokens.as_array())
    with_context(fmt::format("added token \"{}\"", token.at("content").as_string()),
                 [&] { table.add_added(added_piece(token), token.at("id").as_int64()); });
}

std::int32_t checked_id(const Json& id, std::string_view name) {
  if (id.as_int64() < 0 || id.as_int64() > INT32_MAX)
    fail(ErrorCode::kInput, "the post_processor's special token \"{}\" has the id {}", name, id.as_int64());
  return static_cast<std::int32_t>(id.as_int64());
}

// The ids that are put around a text.
struct Sides {
  std::vector<std::int32_t> before, behind;
};

void append_special(const Json& processor, const std::string& name, std::vector<std::int32_t>& ids) {
  for (const Json& id : processor.at("special_tokens").at(name).at("ids").as_array())
    ids.push_back(checked_id(id, name));
}

Sides sides_of_template(const Json& processor) {
  Sides sides;
  bool behind_text = false;
  for (const Json& item : processor.at("single").as_array()) {
    if (const Json* special = item.find("SpecialToken")) {
      append_special(processor, special->at("id").as_string(), behind_text ? sides.behind : sides.before);
      continue;
    }
    if (behind_text || !item.find("Sequence")) unsupported("post_processor", "with such a template");
    behind_text = true;
  }
  return sides;
}

// ["</s>", 2] under "sep" and "cls".
Sides sides_of_separators(const Json& processor) {
  const auto id_of = [&](const char* key) {
    const Json::Array& pair = processor.at(key).as_array();
    if (pair.size() != 2) fail(ErrorCode::kInput, "\"{}\" has {} members; a text and an id make two", key, pair.size());
    return checked_id(pair[1], pair[0].as_string());
  };
  return {{id_of("cls")}, {id_of("sep")}};
}

// "ByteLevel" only trims the positions of words.
Sides sides_of_part(const Json& part) {
  const std::string& type = part.at("type").as_string();
  if (type == "TemplateProcessing") return sides_of_template(part);
  if (type == "BertProcessing" || type == "RobertaProcessing") return sides_of_separators(part);
  if (type != "ByteLevel") unsupported("post_processor", fmt::format("\"{}\"", type));
  return {};
}

// One id on a side is BOS or EOS; of several, the configuration says which is. Of two parts that add ids, the package
// lets the second add its own around every token of the first.
void read_post_processor(const Json& post_processor, Vocabulary& vocabulary) {
  Sides all;
  for (const Json* part : members_of(post_processor, "processors")) {
    const bool is_second = !all.before.empty() || !all.behind.empty();
    const Sides sides = sides_of_part(*part);
    if (sides.before.empty() && sides.behind.empty()) continue;
    if (is_second) unsupported("post_processor", "of two parts that add special tokens");
    all = sides;
  }
  vocabulary.add_bos = !all.before.empty();
  vocabulary.add_eos = !all.behind.empty();
  if (all.before.size() == 1) vocabulary.bos = all.before[0];
  if (all.behind.size() == 1) vocabulary.eos = all.behind[0];
  if (all.before.size() > 1) vocabulary.before_text = std::move(all.before);
  if (all.behind.size() > 1) vocabulary.behind_text = std::move(all.behind);
}

Vocabulary plain_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.model = Vocabulary::Model::kByteBpe;
  vocabulary.add_bos = vocabulary.add_space_prefix = vocabulary.escape_whitespaces = false;
  return vocabulary;
}

// What a pipeline does with pieces by their kind, in the types of GGUF and sentencepiece.
void set_types(Vocabulary& vocabulary) {
  if (!vocabulary.pipeline) return;
  const auto is_byte = [](const std::string& text) {
    return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
  };
  for (Vocabulary::Piece& piece : vocabulary.pieces)
    if (vocabulary.pipeline->byte_fallback && piece.type == Type::kNormal && is_byte(piece.text))
      piece.type = Type::kByte;
  if (vocabulary.unknown >= 0) vocabulary.pieces[static_cast<std::size_t>(vocabulary.unknown)].type = Type::kUnknown;
}

// Reads one part under its name; null and absent parts are left out.
template <typename Read>
void read_part(const Json& json, const char* name, Read&& read) {
  if (const Json& part = part_of(json, name); !part.is_null())
    with_context(fmt::format("part \"{}\"", name), [&] { read(part); });
}

}  // namespace

Vocabulary parse_tokenizer_json(std::string_view text) {
  const Json json = parse_json(text);
  Reading out{.table = {}, .vocabulary = plain_vocabulary(), .pipeline = {}};
  with_context("part \"model\"", [&] { read_model(json.at("model"), out); });
  read_part(json, "added_tokens", [&](const Json& part) { read_added_tokens(part, out.table); });
  with_context("part \"model\"", [&] { read_unknown(json.at("model"), out); });
  read_ways(json, out);
  read_part(json, "post_processor", [&](const Json& part) { read_post_processor(part, out.vocabulary); });
  out.table.move_into(out.vocabulary);
  if (std::ranges::none_of(out.vocabulary.pieces, &Vocabulary::Piece::in_model))
    fail(ErrorCode::kInput, "the model has no pieces, there are only added ones");
  set_types(out.vocabulary);
  return std::move(out.vocabulary);
}

Vocabulary parse_vocabulary_files(std::string_view vocab_json, std::string_view merges_txt, const PreTokenizer& split) {
  Vocabulary vocabulary = plain_vocabulary();
  vocabulary.split_patterns = split.split_patterns();
  vocabulary.nfc = split.nfc;
  vocabulary.ignore_merges = split.ignore_merges;
  PieceTable table;
  with_context("vocab.json", [&] { table.add_vocabulary(parse_json(vocab_json)); });
  with_context("merges.txt", [&] {
    for (std::size_t line = 0; !merges_txt.empty(); ++line) {
      const std::size_t end = std::min(merges_txt.find('\n'), merges_txt.size());
      std::string_view merge = merges_txt.substr(0, end);
      merges_txt.remove_prefix(std::min(end + 1, merges_txt.size()));
      if (merge.ends_with('\r')) merge.remove_suffix(1);
      const bool is_comment = line == 0 && merge.starts_with("#version");
      if (!is_comment && !merge.empty()) table.add_merge(merge);
    }
  });
  table.move_into(vocabulary);
  return vocabulary;
}

}  // namespace quern
