// Names and rules are llama.cpp's (src/llama-vocab.cpp, commit 00ad355e). A run of line feeds is a word of its own
// there; that "gemma4" takes such a run whole where it is a piece, its merges give as well.
#include "vocabulary/character_bpe_gguf.h"

#include <algorithm>

#include "base/json.h"
#include "tokenizer/mark_boundaries.h"

namespace quern {
namespace {

constexpr CharacterSplit kMarkedSplit{"sarvam-moe", CharacterSplit::Spaces::kMarked, CharacterSplit::Bos::kAsStated};
constexpr CharacterSplit kSplits[] = {
    kMarkedSplit,
    {"gemma4", CharacterSplit::Spaces::kMarked, CharacterSplit::Bos::kAlways},
    {"granite-embed-multi-311m", CharacterSplit::Spaces::kMarked, CharacterSplit::Bos::kAlways},
    {"whitespace", CharacterSplit::Spaces::kCut, CharacterSplit::Bos::kAsStated},
};

Json replacing(std::string_view text, std::string_view content) {
  return Json::object({{"type", "Replace"}, {"pattern", Json::object({{"String", text}})}, {"content", content}});
}

Json at_line_feeds() {
  return Json::object(
      {{"type", "Split"}, {"pattern", Json::object({{"Regex", "\\n+"}})}, {"behavior", "Isolated"}, {"invert", false}});
}

void mark_spaces(Vocabulary::Pipeline& pipeline) {
  pipeline.normalizer = replacing(" ", kSpaceMark);
  pipeline.pre_tokenizer = at_line_feeds();
  pipeline.decoder =
      Json::object({{"type", "Sequence"},
                    {"decoders", Json::array({replacing(kSpaceMark, " "), Json::object({{"type", "ByteFallback"}}),
                                              Json::object({{"type", "Fuse"}})})}});
}

void cut_spaces(Vocabulary::Pipeline& pipeline, CharacterSplit::Case letters) {
  if (letters == CharacterSplit::Case::kLowered) pipeline.normalizer = Json::object({{"type", "Lowercase"}});
  pipeline.pre_tokenizer = Json::object({{"type", "WhitespaceSplit"}});
}

}  // namespace

const CharacterSplit* find_character_split(std::string_view name) {
  const auto found = std::ranges::find_if(kSplits, [&](const CharacterSplit& row) { return row.name == name; });
  return found == std::end(kSplits) ? nullptr : found;
}

const CharacterSplit& marked_split() { return kMarkedSplit; }

bool cuts_at_line_feeds(const Json& pre_tokenizer) { return pre_tokenizer == at_line_feeds(); }

void add_character_pipeline(Vocabulary& vocabulary, const CharacterSplit& split, CharacterSplit::Case letters) {
  Vocabulary::Pipeline pipeline{.byte_fallback = true};
  if (split.spaces == CharacterSplit::Spaces::kMarked) {
    mark_spaces(pipeline);
  } else {
    cut_spaces(pipeline, letters);
  }
  if (split.bos == CharacterSplit::Bos::kAlways) vocabulary.add_bos = true;
  vocabulary.model = Vocabulary::Model::kBpe;
  vocabulary.add_space_prefix = vocabulary.escape_whitespaces = false;
  vocabulary.pipeline = std::make_shared<const Vocabulary::Pipeline>(std::move(pipeline));
}

}  // namespace quern
