// llama.cpp joins neighbours by the score of what they become: merges become scores, where their order allows it.
#include "vocabulary/pipeline_gguf.h"

#include <algorithm>
#include <optional>

#include "base/base64.h"
#include "base/fail.h"
#include "text/json_part.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/mark_boundaries.h"
#include "vocabulary/character_bpe_gguf.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

[[noreturn]] void refuse(std::string_view what) {
  fail(ErrorCode::kInput,
       "GGUF cannot express a tokenizer {}; evaluation and generation work from its own files, which go along with "
       "safetensors: take `scheme` simple with `format` safetensors",
       what);
}

[[noreturn]] void refuse_part(const char* kind, const Json& part) {
  refuse(fmt::format("with the {} \"{}\"", kind, part.at("type").as_string()));
}

bool replaces(const Json& part, std::string_view pattern, std::string_view content) {
  if (part.at("type").as_string() != "Replace" || part.at("content").as_string() != content) return false;
  const Json& wanted = part.at("pattern");
  const Json* text = wanted.find("String") ? wanted.find("String") : wanted.find("Regex");
  return text && text->as_string() == pattern;
}

bool is_type(const Json& part, std::string_view type) { return part.at("type").as_string() == type; }

bool prepends_space(const Json& metaspace) {
  return text_of(metaspace, "prepend_scheme",
                 flag_of(metaspace, "add_prefix_space").value_or(true) ? "always" : "never") != "never";
}

TextIds ids_of(const Vocabulary& vocabulary) {
  TextIds ids;
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    ids.emplace(vocabulary.pieces[i].text, static_cast<std::int32_t>(i));
  return ids;
}

// What the two become.
std::string joined(const Vocabulary& vocabulary, const Vocabulary::Merge& merge) {
  return vocabulary.pieces[static_cast<std::size_t>(merge.left)].text +
         vocabulary.pieces[static_cast<std::size_t>(merge.right)].text;
}

// The best rank of the merges that give each piece; -1: none. Nothing where the merges that give one piece have other
// ranks between them.
std::optional<std::vector<std::int32_t>> ranks_of_pieces(const Vocabulary& vocabulary, const TextIds& ids) {
  std::vector<std::int32_t> first(vocabulary.pieces.size(), -1), last = first;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const auto piece = static_cast<std::size_t>(ids.at(joined(vocabulary, vocabulary.merges[rank])));
    const auto here = static_cast<std::int32_t>(rank);
    if (first[piece] < 0) first[piece] = here;
    if (last[piece] >= 0 && last[piece] + 1 != here) return std::nullopt;
    last[piece] = here;
  }
  return first;
}

// In how many ways two pieces make a third. By scores, llama.cpp joins each of them, whether the file has a merge of
// them or not.
std::size_t count_joins(const Vocabulary& vocabulary, const TextIds& ids) {
  std::size_t pairs = 0;
  for (const Vocabulary::Piece& piece : vocabulary.pieces) {
    if (piece.type != Type::kNormal) continue;
    const std::string_view text = piece.text;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      if ((static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) continue;
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      const auto is_normal = [&](std::int32_t id) {
        return vocabulary.pieces[static_cast<std::size_t>(id)].type == Type::kNormal;
      };
      pairs += left != ids.end() && right != ids.end() && is_normal(left->second) && is_normal(right->second);
    }
  }
  return pairs;
}

// Whether the order of the merges is one of scores.
enum class Order { kOfScores, kOfMerges };

Order scores_of_merges(Vocabulary& vocabulary) {
  const TextIds ids = ids_of(vocabulary);
  const auto ranks = ranks_of_pieces(vocabulary, ids);
  if (!ranks || count_joins(vocabulary, ids) != vocabulary.merges.size()) return Order::kOfMerges;
  const auto without_merge = static_cast<float>(vocabulary.merges.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    if (vocabulary.pieces[i].type == Type::kNormal)
      vocabulary.pieces[i].score = 0 - ((*ranks)[i] < 0 ? without_merge : static_cast<float>((*ranks)[i]));
  return Order::kOfScores;
}

void check_words_end_at_line_feeds(const Vocabulary& vocabulary) {
  for (const Vocabulary::Merge& merge : vocabulary.merges) {
    const std::string text = joined(vocabulary, merge);
    if (text.find('\n') != std::string::npos && text.find_first_not_of('\n') != std::string::npos)
      refuse(fmt::format("that does not cut at line feeds and whose merges give \"{}\"", text));
  }
}

// llama.cpp's BPE of characters cuts at line feeds, keeps each merge as a line with a space in it, and leaves out what
// has no piece.
void check_character_bpe(const Vocabulary& vocabulary) {
  if (vocabulary.add_space_prefix)
    refuse("that puts a space before a text and whose merges are not all those of its pieces, in their order");
  const TextIds ids = model_ids(vocabulary);
  for (int byte = 0; byte < 256; ++byte)
    if (!ids.contains(fmt::format("<0x{:02X}>", byte))) refuse(fmt::format("without a piece for the byte {}", byte));
  for (const Vocabulary::Merge& merge : vocabulary.merges)
    if (const std::string text = joined(vocabulary, merge); text.find(' ') != std::string::npos)
      refuse(fmt::format("whose merges give \"{}\"", text));
  check_words_end_at_line_feeds(vocabulary);
}

void check_words_end_at_marks(const Vocabulary& vocabulary) {
  for (const Vocabulary::Merge& merge : vocabulary.merges)
    if (const std::string text = joined(vocabulary, merge); text.find(kSpaceMark, 1) != std::string::npos)
      refuse(fmt::format("that cuts words at spaces and whose merges give \"{}\"", text));
}

void become_bpe(Vocabulary& out) {
  const Vocabulary::Pipeline& pipeline = *out.pipeline;
  if (!pipeline.byte_fallback) refuse("of characters without byte fallback");
  if (!pipeline.part_prefix.empty() || !pipeline.word_suffix.empty()) refuse("that marks the parts of words");
  if (out.ignore_merges) refuse("that takes whole words and falls back to bytes");
  bool marks_spaces = false;
  for (const Json* part : members_of(pipeline.normalizer, "normalizers")) {
    if (is_type(*part, "Prepend") && part->at("prepend").as_string() == kSpaceMark) {
      out.add_space_prefix = true;
    } else if (replaces(*part, " ", kSpaceMark)) {
      marks_spaces = true;
    } else {
      refuse_part("normalizer", *part);
    }
  }
  for (const Json* part : members_of(pipeline.pre_tokenizer, "pretokenizers")) {
    const bool finds_nothing = marks_spaces && is_type(*part, "Split") && part->at("pattern").find("String") &&
                               part->at("pattern").at("String").as_string() == " ";
    if (is_type(*part, "Metaspace")) {
      marks_spaces = true;
      out.add_space_prefix = out.add_space_prefix || prepends_space(*part);
      if (flag_of(*part, "split").value_or(true)) check_words_end_at_marks(out);
    } else if (cuts_at_line_feeds(*part)) {
      check_words_end_at_line_feeds(out);
    } else if (!finds_nothing) {
      refuse_part("pre_tokenizer", *part);
    }
  }
  if (!marks_spaces) refuse("that leaves spaces as they are");
  if (scores_of_merges(out) == Order::kOfScores) {
    out.merges.clear();
    out.pipeline = nullptr;
  } else {
    check_character_bpe(out);
    out.model = Vocabulary::Model::kByteBpe;
  }
}

void become_unigram(Vocabulary& out, const Vocabulary::Pipeline& pipeline) {
  for (const Json* part : members_of(pipeline.normalizer, "normalizers")) {
    if (is_type(*part, "Precompiled")) {
      out.precompiled_charsmap = decode_base64(part->at("precompiled_charsmap").as_string());
    } else if (replaces(*part, " {2,}", " ") || replaces(*part, " {2,}", kSpaceMark) || is_type(*part, "Strip")) {
      out.remove_extra_whitespaces = true;
    } else {
      refuse_part("normalizer", *part);
    }
  }
  for (const Json* part : members_of(pipeline.pre_tokenizer, "pretokenizers")) {
    if (is_type(*part, "Metaspace")) {
      out.add_space_prefix = prepends_space(*part);
    } else if (is_type(*part, "WhitespaceSplit")) {
      out.remove_extra_whitespaces = true;
    } else {
      refuse_part("pre_tokenizer", *part);
    }
  }
}

// The one BertNormalizer, or null.
const Json* bert_normalizer(const Vocabulary::Pipeline& pipeline) {
  const std::vector<const Json*> parts = members_of(pipeline.normalizer, "normalizers");
  return parts.size() == 1 && is_type(*parts[0], "BertNormalizer") ? parts[0] : nullptr;
}

void check_word_piece(const Vocabulary::Pipeline& pipeline) {
  for (const Json* part : members_of(pipeline.normalizer, "normalizers"))
    if (!is_type(*part, "BertNormalizer")) refuse_part("normalizer", *part);
  const Json* normalizer = bert_normalizer(pipeline);
  if (!normalizer || !flag_of(*normalizer, "clean_text").value_or(true) ||
      !flag_of(*normalizer, "handle_chinese_chars").value_or(true))
    refuse("of WordPiece that does not clean texts as BERT does");
  for (const Json* part : members_of(pipeline.pre_tokenizer, "pretokenizers"))
    if (!is_type(*part, "BertPreTokenizer")) refuse_part("pre_tokenizer", *part);
  if (pipeline.part_prefix != "##") refuse(fmt::format("whose parts of words begin with \"{}\"", pipeline.part_prefix));
}

}  // namespace

Vocabulary gguf_form(const Vocabulary& vocabulary) {
  Vocabulary out = vocabulary;
  const Vocabulary::Pipeline& pipeline = *vocabulary.pipeline;
  out.add_space_prefix = out.remove_extra_whitespaces = false;
  out.escape_whitespaces = true;
  if (vocabulary.model == Vocabulary::Model::kWordPiece) {
    check_word_piece(pipeline);
    return out;
  }
  if (vocabulary.model == Vocabulary::Model::kBpe) {
    become_bpe(out);
  } else if (vocabulary.model == Vocabulary::Model::kUnigram) {
    become_unigram(out, pipeline);
    out.pipeline = nullptr;
  } else {
    refuse(vocabulary.model == Vocabulary::Model::kWordLevel
               ? "of whole words"
               : "of byte-level BPE that does more than split by patterns");
  }
  return out;
}

void add_bert_pipeline(Vocabulary& vocabulary, const BertOptions& options) {
  for (Vocabulary::Piece& piece : vocabulary.pieces) {
    const bool is_special = piece.type != Type::kNormal || (piece.text.starts_with('[') && piece.text.ends_with(']'));
    if (is_special) continue;
    if (piece.text.starts_with(kSpaceMark)) {
      piece.text.erase(0, kSpaceMark.size());
    } else {
      piece.text.insert(0, "##");
    }
  }
  vocabulary.pipeline = std::make_shared<const Vocabulary::Pipeline>(bert_pipeline(options));
}

std::string bert_text(const Vocabulary::Piece& piece) {
  if (piece.type != Type::kNormal) return piece.text;
  return piece.text.starts_with("##") ? piece.text.substr(2) : std::string(kSpaceMark) + piece.text;
}

BertOptions bert_options(const Vocabulary& vocabulary) {
  const Json* normalizer = bert_normalizer(*vocabulary.pipeline);
  if (!normalizer) return {};
  const bool lowercase = flag_of(*normalizer, "lowercase").value_or(true);
  return {lowercase, flag_of(*normalizer, "strip_accents").value_or(lowercase)};
}

}  // namespace quern
