// llama.cpp joins neighbours by the score of what they become: merges become scores, where their order allows it.
#include "vocabulary/pipeline_gguf.h"

#include <algorithm>

#include "base/base64.h"
#include "base/fail.h"
#include "text/json_part.h"
#include "tokenizer/byte_bpe.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

constexpr const char* kMark = "\u2581";

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

// The best rank of the merges that give each piece; -1: none. What a piece is joined from must have neighbouring ranks.
std::vector<std::int32_t> ranks_of_pieces(const Vocabulary& vocabulary, const TextIds& ids) {
  std::vector<std::int32_t> first(vocabulary.pieces.size(), -1), last = first;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const auto [left, right] = vocabulary.merges[rank];
    const auto piece = static_cast<std::size_t>(ids.at(vocabulary.pieces[static_cast<std::size_t>(left)].text +
                                                       vocabulary.pieces[static_cast<std::size_t>(right)].text));
    const auto here = static_cast<std::int32_t>(rank);
    if (first[piece] < 0) first[piece] = here;
    if (last[piece] >= 0 && last[piece] + 1 != here)
      refuse(fmt::format("whose merges that give \"{}\" lie apart", vocabulary.pieces[piece].text));
    last[piece] = here;
  }
  return first;
}

// Every two pieces that make a third are joined by llama.cpp, whether the file has a merge of them or not.
void check_merges_are_complete(const Vocabulary& vocabulary, const TextIds& ids) {
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
  if (pairs != vocabulary.merges.size())
    refuse(fmt::format("of {} merges whose pieces could be joined in {} ways", vocabulary.merges.size(), pairs));
}

TextIds ids_of(const Vocabulary& vocabulary) {
  TextIds ids;
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    ids.emplace(vocabulary.pieces[i].text, static_cast<std::int32_t>(i));
  return ids;
}

void scores_of_merges(Vocabulary& vocabulary) {
  const TextIds ids = ids_of(vocabulary);
  check_merges_are_complete(vocabulary, ids);
  const std::vector<std::int32_t> ranks = ranks_of_pieces(vocabulary, ids);
  const auto without_merge = static_cast<float>(vocabulary.merges.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    if (vocabulary.pieces[i].type == Type::kNormal)
      vocabulary.pieces[i].score = 0 - (ranks[i] < 0 ? without_merge : static_cast<float>(ranks[i]));
}

void become_bpe(Vocabulary& out, const Vocabulary::Pipeline& pipeline) {
  if (!pipeline.byte_fallback) refuse("of characters without byte fallback");
  if (!pipeline.part_prefix.empty() || !pipeline.word_suffix.empty()) refuse("that marks the parts of words");
  if (out.ignore_merges) refuse("that takes whole words and falls back to bytes");
  bool marks_spaces = false;
  for (const Json* part : members_of(pipeline.normalizer, "normalizers")) {
    if (is_type(*part, "Prepend") && part->at("prepend").as_string() == kMark) {
      out.add_space_prefix = true;
    } else if (replaces(*part, " ", kMark)) {
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
    } else if (!finds_nothing) {
      refuse_part("pre_tokenizer", *part);
    }
  }
  if (!marks_spaces) refuse("that leaves spaces as they are");
  scores_of_merges(out);
  out.merges.clear();
}

void become_unigram(Vocabulary& out, const Vocabulary::Pipeline& pipeline) {
  for (const Json* part : members_of(pipeline.normalizer, "normalizers")) {
    if (is_type(*part, "Precompiled")) {
      out.precompiled_charsmap = decode_base64(part->at("precompiled_charsmap").as_string());
    } else if (replaces(*part, " {2,}", " ") || replaces(*part, " {2,}", kMark) || is_type(*part, "Strip")) {
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
    become_bpe(out, pipeline);
  } else if (vocabulary.model == Vocabulary::Model::kUnigram) {
    become_unigram(out, pipeline);
  } else {
    refuse(vocabulary.model == Vocabulary::Model::kWordLevel
               ? "of whole words"
               : "of byte-level BPE that does more than split by patterns");
  }
  out.pipeline = nullptr;
  return out;
}

void add_bert_pipeline(Vocabulary& vocabulary, const BertOptions& options) {
  for (Vocabulary::Piece& piece : vocabulary.pieces) {
    const bool is_special = piece.type != Type::kNormal || (piece.text.starts_with('[') && piece.text.ends_with(']'));
    if (is_special) continue;
    if (piece.text.starts_with(kMark)) {
      piece.text.erase(0, std::string_view(kMark).size());
    } else {
      piece.text.insert(0, "##");
    }
  }
  const auto part = [](const char* type) { return Json::object({{"type", type}}); };
  Vocabulary::Pipeline pipeline{.normalizer = part("BertNormalizer"),
                                .pre_tokenizer = part("BertPreTokenizer"),
                                .decoder = Json::object({{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}),
                                .part_prefix = "##"};
  for (const char* key : {"clean_text", "handle_chinese_chars"}) pipeline.normalizer.set(key, true);
  pipeline.normalizer.set("strip_accents", options.strip_accents);
  pipeline.normalizer.set("lowercase", options.lowercase);
  vocabulary.pipeline = std::make_shared<const Vocabulary::Pipeline>(std::move(pipeline));
}

std::string bert_text(const Vocabulary::Piece& piece) {
  if (piece.type != Type::kNormal) return piece.text;
  return piece.text.starts_with("##") ? piece.text.substr(2) : kMark + piece.text;
}

BertOptions bert_options(const Vocabulary& vocabulary) {
  const Json* normalizer = bert_normalizer(*vocabulary.pipeline);
  if (!normalizer) return {};
  const bool lowercase = flag_of(*normalizer, "lowercase").value_or(true);
  return {lowercase, flag_of(*normalizer, "strip_accents").value_or(lowercase)};
}

}  // namespace quern
