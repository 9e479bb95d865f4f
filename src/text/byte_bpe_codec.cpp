// Byte-level BPE, in the order of the Python package tokenizers: added pieces of the raw text, NFC, added pieces of the
// normalised text, words by the split patterns, merges within each word.
#include "text/added_pieces.h"
#include "text/byte_alphabet.h"
#include "text/byte_bpe.h"
#include "text/text_codec.h"
#include "text/text_splitter.h"
#include "text/vocabulary_check.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

// Words that one call has met, with their ids: most words of a text come again. Long ones hardly do.
class WordCache {
 public:
  explicit WordCache(const ByteBpe& bpe) : bpe_(bpe) {}

  void append(std::string_view word, std::vector<std::int32_t>& ids) {
    if (word.size() > kLongest) return bpe_.encode(word, ids);
    auto found = known_.find(word);
    if (found == known_.end()) {
      const std::size_t first = pool_.size();
      bpe_.encode(word, pool_);
      found = known_.emplace(word, Range{first, pool_.size() - first}).first;
    }
    const auto begin = pool_.begin() + static_cast<std::ptrdiff_t>(found->second.first);
    ids.insert(ids.end(), begin, begin + static_cast<std::ptrdiff_t>(found->second.count));
  }

 private:
  static constexpr std::size_t kLongest = 64;
  struct Range {
    std::size_t first = 0, count = 0;
  };
  const ByteBpe& bpe_;
  std::unordered_map<std::string, Range, TextHash, std::equal_to<>> known_;
  std::vector<std::int32_t> pool_;
};

class ByteBpeCodec : public TextCodec {
 public:
  explicit ByteBpeCodec(Vocabulary source)
      : TextCodec(std::move(source)), bpe_(vocabulary()), splitter_(vocabulary().split_patterns) {
    for (std::size_t i = 0; i < vocabulary().pieces.size(); ++i) {
      const Vocabulary::Piece& piece = vocabulary().pieces[i];
      if (piece.type != Type::kControl && piece.type != Type::kUserDefined) continue;
      const auto id = static_cast<std::int32_t>(i);
      if (piece.in_normalized) {
        late_.add(vocabulary().nfc ? nfc_of(piece.text) : piece.text, id);
      } else {
        early_.add(piece.text, id);
      }
    }
  }

  std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    WordCache cache(bpe_);
    const auto take = [&](std::int32_t id) { ids.push_back(id); };
    const auto words = [&](std::string_view part) {
      const bool prefix = vocabulary().add_space_prefix && !part.starts_with(' ');
      splitter_.split(prefix ? " " + std::string(part) : std::string(part),
                      [&](std::string_view word) { cache.append(word, ids); });
    };
    early_.cut(
        text,
        [&](std::string_view part) { late_.cut(vocabulary().nfc ? nfc_of(part) : std::string(part), words, take); },
        take);
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids) const override {
    std::string text;
    for (const std::int32_t id : ids) text += decode_piece(id);
    return text;
  }

  std::string decode_piece(std::int32_t id) const override {
    const Vocabulary::Piece& piece = vocabulary().pieces[static_cast<std::size_t>(id)];
    if (piece.type == Type::kControl || piece.type == Type::kUnused) return {};
    if (piece.type == Type::kUserDefined) return piece.text;
    return bytes_of_alphabet(piece.text).value_or(piece.text);
  }

 private:
  ByteBpe bpe_;
  TextSplitter splitter_;
  AddedPieces early_, late_;
};

}  // namespace

std::shared_ptr<const TextCodec> make_byte_bpe_codec(Vocabulary vocabulary) {
  check_vocabulary(vocabulary);
  return std::make_shared<ByteBpeCodec>(std::move(vocabulary));
}

}  // namespace quern
