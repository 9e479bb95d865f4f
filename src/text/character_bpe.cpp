// Byte-pair encoding of characters, as the Python package tokenizers does it: a character that is no piece becomes the
// pieces of its bytes, where the vocabulary has them, or the unknown piece.
#include <fmt/format.h>

#include <string>

#include "base/fail.h"
#include "text/byte_bpe.h"
#include "text/mark_boundaries.h"
#include "text/merge_table.h"
#include "text/unicode_text.h"
#include "text/word_cache.h"
#include "text/word_model.h"

namespace quern {
namespace {

class CharacterBpe : public WordModel {
 public:
  CharacterBpe(const Vocabulary& vocabulary, const ViewIds& ids)
      : part_prefix_(vocabulary.pipeline->part_prefix),
        word_suffix_(vocabulary.pipeline->word_suffix),
        fuse_unknown_(vocabulary.pipeline->fuse_unknown),
        ignore_merges_(vocabulary.ignore_merges),
        ends_at_marks_(!ignore_merges_ && part_prefix_.empty() && word_suffix_.empty() && ends_at_marks(vocabulary)),
        unknown_(vocabulary.unknown),
        ids_(model_ids(vocabulary)),
        merges_(vocabulary, ids, part_prefix_) {
    bytes_are_pieces_ = vocabulary.pipeline->byte_fallback;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(fmt::format("<0x{:02X}>", byte));
      byte_pieces_[byte] = found == ids_.end() ? -1 : found->second;
    }
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    if (!ends_at_marks_) return encode_part(word, ids);
    WordCache cache(parts_);
    cut_at_marks(word, [&](std::string_view part) { cache.append(part, ids); });
  }

 private:
  // What lies between two boundaries.
  struct Parts : WordModel {
    explicit Parts(const CharacterBpe& owner) : whole(owner) {}
    void encode(std::string_view word, std::vector<std::int32_t>& ids) const override { whole.encode_part(word, ids); }
    const CharacterBpe& whole;
  };

  void encode_part(std::string_view word, std::vector<std::int32_t>& ids) const {
    if (ignore_merges_)
      if (const auto whole = ids_.find(word); whole != ids_.end()) return ids.push_back(whole->second);
    std::vector<std::int32_t> symbols = symbols_of(word);
    merges_.apply(symbols, ids);
  }

  std::vector<std::int32_t> symbols_of(std::string_view word) const {
    std::vector<std::int32_t> symbols;
    symbols.reserve(word.size());
    bool after_unknown = false;
    std::string text;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t begin = at;
      next_character(word, at);
      const std::string_view character = word.substr(begin, at - begin);
      text.assign(begin > 0 ? part_prefix_ : std::string_view()).append(character);
      if (at == word.size()) text += word_suffix_;
      if (const auto found = ids_.find(text); found != ids_.end()) {
        symbols.push_back(found->second);
        after_unknown = false;
      } else if (!add_bytes(text, symbols) && unknown_ >= 0) {
        if (!(after_unknown && fuse_unknown_)) symbols.push_back(unknown_);
        after_unknown = true;
      }
    }
    return symbols;
  }

  bool add_bytes(std::string_view text, std::vector<std::int32_t>& symbols) const {
    if (!bytes_are_pieces_) return false;
    for (const char byte : text)
      if (byte_pieces_[static_cast<std::uint8_t>(byte)] < 0) return false;
    for (const char byte : text) symbols.push_back(byte_pieces_[static_cast<std::uint8_t>(byte)]);
    return true;
  }

  const std::string part_prefix_, word_suffix_;
  const bool fuse_unknown_, ignore_merges_, ends_at_marks_;
  const std::int32_t unknown_;
  bool bytes_are_pieces_ = false;
  std::array<std::int32_t, 256> byte_pieces_{};  // -1: none
  TextIds ids_;
  MergeTable merges_;
  Parts parts_{*this};
};

}  // namespace

std::unique_ptr<const WordModel> make_character_bpe(const Vocabulary& vocabulary) {
  ViewIds ids;
  ids.reserve(vocabulary.pieces.size());
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    ids.emplace(vocabulary.pieces[i].text, static_cast<std::int32_t>(i));
  return std::make_unique<CharacterBpe>(vocabulary, ids);
}

}  // namespace quern
