// The parts of a tokenizer.json (huggingface.co/docs/tokenizers):
//
//   model           "BPE": vocab (text -> id), merges ("a b" or ["a", "b"]), ignore_merges, unk_token
//   normalizer      null or "NFC"
//   pre_tokenizer   "ByteLevel", or a "Sequence" of "Split" and "Digits" parts that ends with it
//   added_tokens    pieces that are found before the text is split
//   post_processor  null, "ByteLevel", "TemplateProcessing" or a "Sequence" of them: which special ids are added
//   decoder         null or "ByteLevel"
//
// Truncation and padding do not belong to the vocabulary and are passed over.
#include "text/tokenizer_json.h"

#include <algorithm>
#include <optional>

#include "base/fail.h"
#include "text/piece_table.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

[[noreturn]] void unsupported(std::string_view part, std::string_view what) {
  fail(ErrorCode::kInput, "{} {} is not supported; a tokenizer.json must hold a byte-level BPE", part, what);
}

bool is_absent(const Json* value) { return !value || value->is_null(); }

// Nullopt where the file does not say, and the package's default counts.
std::optional<bool> flag(const Json& object, const char* key) {
  const Json* value = object.find(key);
  if (is_absent(value)) return std::nullopt;
  return with_context(fmt::format("key \"{}\"", key), [&] { return value->as_bool(); });
}

void refuse_flag(const Json& object, const char* key, std::string_view part) {
  if (flag(object, key).value_or(false)) unsupported(part, fmt::format("with \"{}\"", key));
}

// Members of a "Sequence", or the part itself.
std::vector<const Json*> parts_of(const Json& part, const char* members) {
  if (part.at("type").as_string() != "Sequence") return {&part};
  std::vector<const Json*> parts;
  for (const Json& one : part.at(members).as_array()) parts.push_back(&one);
  return parts;
}

void read_model(const Json& model, PieceTable& table, Vocabulary& vocabulary) {
  const Json* type = model.find("type");  // absent in old files, which hold BPE where they have merges
  const std::string name = is_absent(type) ? (model.find("merges") ? "BPE" : "without a type") : type->as_string();
  if (name != "BPE") unsupported("model", fmt::format("\"{}\"", name));
  refuse_flag(model, "byte_fallback", "model \"BPE\"");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json* affix = model.find(key);
    if (!is_absent(affix) && !affix->as_string().empty()) unsupported("model \"BPE\"", fmt::format("with \"{}\"", key));
  }
  if (const Json* dropout = model.find("dropout"); !is_absent(dropout) && dropout->as_double() != 0)
    unsupported("model \"BPE\"", "with \"dropout\"");
  vocabulary.ignore_merges = flag(model, "ignore_merges").value_or(false);
  table.add_vocabulary(model.at("vocab"));
  for (const Json& merge : model.at("merges").as_array()) {
    if (merge.is_string()) {
      table.add_merge(merge.as_string());
      continue;
    }
    const Json::Array& pair = merge.as_array();
    if (pair.size() != 2) fail(ErrorCode::kInput, "a merge of {} pieces; each joins two", pair.size());
    table.add_merge(pair[0].as_string(), pair[1].as_string());
  }
}

// Of the vocabulary, or added to it.
void read_unknown(const Json& model, const PieceTable& table, Vocabulary& vocabulary) {
  const Json* unknown = model.find("unk_token");
  if (is_absent(unknown)) return;
  vocabulary.unknown = table.find(unknown->as_string());
  if (vocabulary.unknown < 0)
    fail(ErrorCode::kInput, "unk_token \"{}\" is no piece of the vocabulary", unknown->as_string());
}

void read_normalizer(const Json& normalizer, Vocabulary& vocabulary) {
  for (const Json* part : parts_of(normalizer, "normalizers")) {
    const std::string& type = part->at("type").as_string();
    if (type != "NFC") unsupported("normalizer", fmt::format("\"{}\"", type));
    vocabulary.nfc = true;
  }
}

std::string split_pattern(const Json& part) {
  const Json* pattern = part.at("pattern").find("Regex");
  if (!pattern) unsupported("pre_tokenizer", "\"Split\" by a fixed string");
  const std::string& behavior = part.at("behavior").as_string();
  // Matches stay and the rest goes: the same as "Isolated" with a pattern that leaves no rest.
  const bool keeps_matches = behavior == "Removed" && flag(part, "invert").value_or(false);
  const bool leaves_nothing = std::ranges::any_of(pre_tokenizers(), [&](const PreTokenizer& known) {
    return known.split_patterns() == std::vector{pattern->as_string()} && pattern->as_string().ends_with("|\\s+");
  });
  if (behavior != "Isolated" && !(keeps_matches && leaves_nothing))
    unsupported("pre_tokenizer", fmt::format("\"Split\" with the behavior \"{}\"", behavior));
  return pattern->as_string();
}

void read_pre_tokenizer(const Json& pre_tokenizer, Vocabulary& vocabulary) {
  bool to_bytes = false;
  for (const Json* part : parts_of(pre_tokenizer, "pretokenizers")) {
    const std::string& type = part->at("type").as_string();
    if (to_bytes) unsupported("pre_tokenizer", fmt::format("\"{}\" after \"ByteLevel\"", type));
    if (type == "Split") {
      vocabulary.split_patterns.push_back(split_pattern(*part));
    } else if (type == "Digits") {
      vocabulary.split_patterns.push_back(flag(*part, "individual_digits").value_or(false) ? kEveryDigit : "\\p{N}+");
    } else if (type == "ByteLevel") {
      to_bytes = true;
      vocabulary.add_space_prefix = flag(*part, "add_prefix_space").value_or(true);
      if (vocabulary.add_space_prefix && !vocabulary.split_patterns.empty())
        unsupported("pre_tokenizer", "\"ByteLevel\" with \"add_prefix_space\" after another part");
      if (flag(*part, "use_regex").value_or(true)) vocabulary.split_patterns.emplace_back(kGpt2Split);
    } else {
      unsupported("pre_tokenizer", fmt::format("\"{}\"", type));
    }
  }
  if (!to_bytes) unsupported("pre_tokenizer", "without \"ByteLevel\"");
}

void read_added_tokens(const Json& tokens, PieceTable& table) {
  for (const Json& token : tokens.as_array()) {
    const std::string& text = token.at("content").as_string();
    with_context(fmt::format("added token \"{}\"", text), [&] {
      for (const char* key : {"single_word", "lstrip", "rstrip"}) refuse_flag(token, key, "an added token");
      const bool special = flag(token, "special").value_or(false);
      table.add_added({.text = text,
                       .type = special ? Type::kControl : Type::kUserDefined,
                       .in_normalized = flag(token, "normalized").value_or(!special)},
                      token.at("id").as_int64());
    });
  }
}

std::int32_t template_id(const Json& processor, const std::string& name) {
  const Json::Array& ids = processor.at("special_tokens").at(name).at("ids").as_array();
  if (ids.size() != 1 || ids[0].as_int64() < 0 || ids[0].as_int64() > INT32_MAX)
    fail(ErrorCode::kInput, "the post_processor's special token \"{}\" is not one id", name);
  return static_cast<std::int32_t>(ids[0].as_int64());
}

void read_template(const Json& processor, Vocabulary& vocabulary) {
  bool after_text = false;
  for (const Json& item : processor.at("single").as_array()) {
    const Json* special = item.find("SpecialToken");
    if (!special) {
      if (after_text || !item.find("Sequence")) unsupported("post_processor", "with such a template");
      after_text = true;
      continue;
    }
    bool& added = after_text ? vocabulary.add_eos : vocabulary.add_bos;
    if (added) unsupported("post_processor", "with two special tokens on one side of the text");
    added = true;
    (after_text ? vocabulary.eos : vocabulary.bos) = template_id(processor, special->at("id").as_string());
  }
}

void read_post_processor(const Json& post_processor, Vocabulary& vocabulary) {
  for (const Json* part : parts_of(post_processor, "processors")) {
    const std::string& type = part->at("type").as_string();
    if (type == "TemplateProcessing") {
      read_template(*part, vocabulary);
    } else if (type != "ByteLevel") {  // which only trims the positions of words
      unsupported("post_processor", fmt::format("\"{}\"", type));
    }
  }
}

Vocabulary byte_bpe_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.model = Vocabulary::Model::kByteBpe;
  vocabulary.add_bos = vocabulary.add_space_prefix = vocabulary.escape_whitespaces = false;
  return vocabulary;
}

// Reads one part under its name; null and absent parts are left out.
template <typename Read>
void read_part(const Json& json, const char* name, Read&& read) {
  if (const Json* part = json.find(name); !is_absent(part))
    with_context(fmt::format("part \"{}\"", name), [&] { read(*part); });
}

}  // namespace

Vocabulary parse_tokenizer_json(std::string_view text) {
  const Json json = parse_json(text);
  Vocabulary vocabulary = byte_bpe_vocabulary();
  PieceTable table;
  with_context("part \"model\"", [&] { read_model(json.at("model"), table, vocabulary); });
  read_part(json, "normalizer", [&](const Json& part) { read_normalizer(part, vocabulary); });
  if (is_absent(json.find("pre_tokenizer"))) unsupported("a tokenizer", "without a pre_tokenizer");
  read_part(json, "pre_tokenizer", [&](const Json& part) { read_pre_tokenizer(part, vocabulary); });
  read_part(json, "added_tokens", [&](const Json& part) { read_added_tokens(part, table); });
  with_context("part \"model\"", [&] { read_unknown(json.at("model"), table, vocabulary); });
  read_part(json, "post_processor", [&](const Json& part) { read_post_processor(part, vocabulary); });
  read_part(json, "decoder", [&](const Json& part) {
    if (part.at("type").as_string() != "ByteLevel") unsupported("decoder", part.at("type").as_string());
  });
  table.move_into(vocabulary);
  return vocabulary;
}

Vocabulary parse_vocabulary_files(std::string_view vocab_json, std::string_view merges_txt, const PreTokenizer& split) {
  Vocabulary vocabulary = byte_bpe_vocabulary();
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
