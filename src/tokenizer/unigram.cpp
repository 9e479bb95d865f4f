// The segmentation of the largest sum of scores (Kudo 2018, "Subword Regularization"), as the Python package tokenizers
// finds it: a character that is no piece by itself may be an unknown one of a score 10 below the least.
#include <algorithm>

#include "base/fail.h"
#include "text/unicode_text.h"
#include "tokenizer/byte_pieces.h"
#include "tokenizer/mark_boundaries.h"
#include "tokenizer/marked_words.h"
#include "tokenizer/piece_trie.h"

namespace quern {
namespace {

constexpr double kUnknownPenalty = 10;

class Unigram : public MarkedWords {
 public:
  explicit Unigram(const Vocabulary& vocabulary)
      : MarkedWords(ends_at_marks(vocabulary) ? Boundaries::kMarks : Boundaries::kNone),
        scores_(vocabulary.pipeline->scores),
        unknown_(vocabulary.unknown),
        trie_(vocabulary.pieces),
        ids_(model_ids(vocabulary)),
        byte_pieces_(vocabulary, ids_) {
    if (!scores_.empty()) unknown_score_ = *std::ranges::min_element(scores_) - kUnknownPenalty;
    scores_.resize(vocabulary.pieces.size());
  }

 private:
  // The best way to a place in the text.
  struct Way {
    double score = 0;
    std::int32_t id = -1;
    std::size_t from = kNowhere;
  };
  static constexpr std::size_t kNowhere = ~std::size_t{0};

  std::vector<Way> best_ways(std::string_view word) const {
    std::vector<Way> ways(word.size() + 1);
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t begin = at;
      next_character(word, at);
      bool has_single = false;
      const auto offer = [&](std::int32_t id, std::size_t length, double score) {
        Way& way = ways[begin + length];
        const double sum = ways[begin].score + score;
        if (way.from == kNowhere || sum > way.score) way = {sum, id, begin};
        has_single = has_single || length == at - begin;
      };
      trie_.prefixes(word.substr(begin), [&](std::int32_t id, std::size_t length) {
        offer(id, length, scores_[static_cast<std::size_t>(id)]);
      });
      if (!has_single) offer(unknown_, at - begin, unknown_score_);
    }
    return ways;
  }

  void encode_part(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::vector<Way> ways = best_ways(word);
    std::vector<std::string_view> pieces;
    bool after_unknown = false;
    for (std::size_t end = word.size(); end > 0;) {
      const std::size_t begin = ways[end].from;
      const bool is_unknown = unknown_ >= 0 && ways[end].id == unknown_;
      std::string_view piece = word.substr(begin, end - begin);
      if (is_unknown && after_unknown) {
        piece = {piece.data(), piece.size() + pieces.back().size()};
        pieces.pop_back();
      }
      pieces.push_back(piece);
      after_unknown = is_unknown;
      end = begin;
    }
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) add(*piece, ids);
  }

  void add(std::string_view piece, std::vector<std::int32_t>& ids) const {
    if (const auto found = ids_.find(piece); found != ids_.end()) return ids.push_back(found->second);
    if (byte_pieces_.append(piece, ids)) return;
    if (unknown_ < 0)
      fail(ErrorCode::kInput, "the vocabulary has no piece for \"{}\" of the text, and no unknown piece", piece);
    ids.push_back(unknown_);
  }

  std::vector<double> scores_;
  const std::int32_t unknown_;
  double unknown_score_ = 0;
  PieceTrie trie_;
  TextIds ids_;
  BytePieces byte_pieces_;
};

}  // namespace

std::unique_ptr<const WordModel> make_unigram(const Vocabulary& vocabulary) {
  return std::make_unique<Unigram>(vocabulary);
}

}  // namespace quern
