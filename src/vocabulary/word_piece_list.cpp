// Defaults are those of transformers' BertTokenizer.
#include "vocabulary/word_piece_list.h"

#include <algorithm>
#include <unordered_map>

#include "base/fail.h"
#include "text/json_part.h"
#include "vocabulary/bert_pipeline.h"
#include "vocabulary/piece_table.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

// Of transformers, all of them BERT's under the name of another model; with "Fast" behind it too.
constexpr const char* kClasses[] = {"BertTokenizer",       "DistilBertTokenizer", "ElectraTokenizer",
                                    "MobileBertTokenizer", "ConvBertTokenizer",   "SqueezeBertTokenizer",
                                    "LayoutLMTokenizer",   "LxmertTokenizer",     "RetriBertTokenizer"};

constexpr std::size_t kLongestWord = 100;

struct BertPiece {
  const char* key;
  const char* otherwise;
  std::int32_t Vocabulary::* id;  // null: it is only found in texts
  enum class Missing { kRefused, kNone } missing;
};
constexpr BertPiece kBertPieces[] = {
    {"unk_token", "[UNK]", &Vocabulary::unknown, BertPiece::Missing::kRefused},
    {"cls_token", "[CLS]", &Vocabulary::bos, BertPiece::Missing::kRefused},
    {"sep_token", "[SEP]", &Vocabulary::eos, BertPiece::Missing::kRefused},
    {"pad_token", "[PAD]", &Vocabulary::pad, BertPiece::Missing::kNone},
    {"mask_token", "[MASK]", nullptr, BertPiece::Missing::kNone},
};

void check_class(const Json& config) {
  const std::string stated = text_of(config, "tokenizer_class", kClasses[0]);
  std::string_view name = stated;
  if (name.ends_with("Fast")) name.remove_suffix(4);
  if (std::ranges::find(kClasses, name) == std::end(kClasses))
    fail(ErrorCode::kInput, "how a \"{}\" splits text is not known; a tokenizer.json would say it", stated);
  if (!flag_of(config, "do_basic_tokenize").value_or(true))
    fail(ErrorCode::kInput,
         "\"do_basic_tokenize\" is false, which is not supported; a tokenizer.json would say how "
         "texts are split");
}

// The line that `text` begins with, which is taken from it.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// The last line of each text, by number from 0. Error(kInput) for more lines without a piece than a vocabulary may
// have.
std::unordered_map<std::string_view, std::int64_t> last_lines(std::string_view text) {
  std::unordered_map<std::string_view, std::int64_t> last;
  std::int64_t id = 0;
  for (; !text.empty(); ++id) {
    const std::string_view line = take_line(text);
    if (!line.empty()) last[line] = id;
    if (id - static_cast<std::int64_t>(last.size()) >= PieceTable::kMaxHoles)
      fail(ErrorCode::kInput, "{} of its first {} lines are empty or there twice; no list of pieces has more than {}",
           id + 1 - static_cast<std::int64_t>(last.size()), id + 1, PieceTable::kMaxHoles);
  }
  return last;
}

void add_lines(std::string_view text, PieceTable& table) {
  if (text.size() > kLongestPieceList)
    fail(ErrorCode::kInput, "it has {} bytes; a list of pieces has at most {}", text.size(), kLongestPieceList);
  const auto last = last_lines(text);
  for (std::int64_t id = 0; !text.empty(); ++id) {
    const std::string_view line = take_line(text);
    if (const auto found = last.find(line); found != last.end() && found->second == id)
      table.add_piece({std::string(line)}, id);
  }
}

// A text, or an object with one.
std::string text_of_token(const Json& config, const BertPiece& row) {
  const Json* token = config.find(row.key);
  return token && token->is_object() ? token->at("content").as_string() : text_of(config, row.key, row.otherwise);
}

void add_special_pieces(const Json& config, PieceTable& table, Vocabulary& vocabulary) {
  for (const BertPiece& row : kBertPieces) {
    const std::string text = text_of_token(config, row);
    const std::int32_t id = table.find(text);
    if (id < 0 && row.missing == BertPiece::Missing::kRefused)
      fail(ErrorCode::kInput, "{} is \"{}\", which is no piece of the vocabulary", row.key, text);
    if (id < 0) continue;
    const Type type = row.id == &Vocabulary::unknown ? Type::kUnknown : Type::kControl;
    table.add_added({.text = text, .type = type, .is_added = true}, id);
    if (row.id) vocabulary.*row.id = id;
  }
}

BertOptions options_of(const Json& config) {
  const bool lowercase = flag_of(config, "do_lower_case").value_or(true);
  return {.lowercase = lowercase,
          .strip_accents = flag_of(config, "strip_accents").value_or(lowercase),
          .parts_ideographs = flag_of(config, "tokenize_chinese_chars").value_or(true)};
}

}  // namespace

Vocabulary parse_word_piece_list(std::string_view lines, const Json& config) {
  check_class(config);
  Vocabulary vocabulary;
  vocabulary.model = Vocabulary::Model::kWordPiece;
  vocabulary.add_bos = vocabulary.add_eos = true;
  vocabulary.add_space_prefix = vocabulary.escape_whitespaces = false;
  Vocabulary::Pipeline pipeline = bert_pipeline(options_of(config));
  pipeline.longest_word = kLongestWord;
  PieceTable table;
  add_lines(lines, table);
  add_special_pieces(config, table, vocabulary);
  table.move_into(vocabulary);
  vocabulary.pipeline = std::make_shared<const Vocabulary::Pipeline>(std::move(pipeline));
  return vocabulary;
}

}  // namespace quern
