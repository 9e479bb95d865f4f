// Any tokenizer.json, in the order of the Python package tokenizers: added pieces of the raw text, the normalizer,
// added pieces of the normalised text, words, pieces of each word.
#include <algorithm>

#include "base/fail.h"
#include "tokenizer/added_pieces.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/text_codec.h"
#include "tokenizer/token_decoders.h"
#include "tokenizer/vocabulary_check.h"
#include "tokenizer/word_cache.h"
#include "tokenizer/word_cutters.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

struct ModelRow {
  Vocabulary::Model model;
  std::unique_ptr<const WordModel> (*make)(const Vocabulary&);
};
constexpr ModelRow kModels[] = {
    {Vocabulary::Model::kBpe, make_character_bpe},
    {Vocabulary::Model::kByteBpe, make_character_bpe},  // its alphabet is a matter of the pre-tokenizer
    {Vocabulary::Model::kUnigram, make_unigram},
    {Vocabulary::Model::kWordPiece, make_word_piece},
    {Vocabulary::Model::kWordLevel, make_word_level},
};

std::unique_ptr<const WordModel> model_of(const Vocabulary& vocabulary) {
  const auto row = std::ranges::find(kModels, vocabulary.model, &ModelRow::model);
  ensure(row != std::end(kModels), "a pipeline around another model");
  return row->make(vocabulary);
}

class PipelineCodec : public TextCodec {
 public:
  explicit PipelineCodec(Vocabulary source)
      : TextCodec(std::move(source)),
        normalizer_(make_normalizer(vocabulary().pipeline->normalizer)),
        cutter_(make_word_cutter(vocabulary().pipeline->pre_tokenizer)),
        decoder_(make_token_decoder(vocabulary().pipeline->decoder)),
        model_(model_of(vocabulary())),
        added_(vocabulary(), normalizer_) {}

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    WordCache cache(*model_);
    const auto take = [&](std::int32_t id) { ids.push_back(id); };
    added_.raw.cut(
        text,
        [&](std::string_view part) {
          const std::string normal = normalizer_(std::string(part));
          const bool opens = part.data() == text.data();
          added_.normalized.cut(
              normal,
              [&](std::string_view words) {
                cutter_({words, opens && words.data() == normal.data()},
                        [&](const Word& word) { cache.append(word.text, ids); });
              },
              take);
        },
        take);
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::vector<std::string> tokens;
    for (const std::int32_t id : ids)
      if (is_shown(id)) tokens.push_back(piece(id).text);
    decoder_.whole(tokens);
    std::string text;
    for (const std::string& token : tokens) text += token;
    return text;
  }

  std::string decode_piece(std::int32_t id) const override {
    return is_shown(id) ? decoder_.piece(piece(id).text) : std::string();
  }

 private:
  const Vocabulary::Piece& piece(std::int32_t id) const { return vocabulary().pieces[static_cast<std::size_t>(id)]; }
  bool is_shown(std::int32_t id) const { return piece(id).type != Type::kControl && piece(id).type != Type::kUnused; }

  const Normalizer normalizer_;
  const WordCutter cutter_;
  const TokenDecoder decoder_;
  const std::unique_ptr<const WordModel> model_;
  const AddedToTexts added_;
};

}  // namespace

std::shared_ptr<const TextCodec> make_pipeline_codec(Vocabulary vocabulary) {
  check_vocabulary(vocabulary);
  return std::make_shared<PipelineCodec>(std::move(vocabulary));
}

}  // namespace quern
