// Layout (github.com/karpathy/llama2.c, tokenizer.py, export):
//
//   u32  bytes of the longest piece
//   then for each piece, to the end of the file:
//     f32  score
//     u32  bytes
//     ...  text, with plain spaces; BOS and EOS have a line feed before and behind them
#include "vocabulary/score_list.h"

#include <algorithm>
#include <string_view>

#include "base/fail.h"
#include "tokenizer/mark_boundaries.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

constexpr std::size_t kHeader = 4, kFields = 8;

std::string with_marks(std::string_view text) {
  std::string marked;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  return marked;
}

bool is_byte(std::string_view text) { return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>'); }

}  // namespace

Vocabulary parse_score_list(ByteSpan bytes) {
  if (bytes.size() < kHeader) fail(ErrorCode::kInput, "{} bytes are no list of pieces and scores", bytes.size());
  const std::uint32_t longest = load<std::uint32_t>(bytes.data());
  Vocabulary vocabulary;
  for (std::size_t at = kHeader; at < bytes.size();) {
    if (bytes.size() - at < kFields)
      fail(ErrorCode::kInput, "the list of pieces and scores ends within the piece at byte {}", at);
    const float score = load<float>(bytes.data() + at);
    const std::uint32_t size = load<std::uint32_t>(bytes.data() + at + 4);
    if (size > longest || size > bytes.size() - at - kFields)
      fail(ErrorCode::kInput,
           "not a list of pieces and scores: the piece at byte {} has {} bytes, {} at most are announced", at, size,
           longest);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + at + kFields, size);
    vocabulary.pieces.push_back({with_marks(text), score, is_byte(text) ? Type::kByte : Type::kNormal});
    at += kFields + size;
  }
  if (vocabulary.pieces.size() < 3)
    fail(ErrorCode::kInput, "a list of {} pieces has no place for BOS and EOS", vocabulary.pieces.size());
  const auto set = [&](std::int32_t id, const char* text, Type type) {
    vocabulary.pieces[static_cast<std::size_t>(id)].text = text;
    vocabulary.pieces[static_cast<std::size_t>(id)].type = type;
    return id;
  };
  vocabulary.unknown = set(0, "<unk>", Type::kUnknown);
  vocabulary.bos = set(1, "<s>", Type::kControl);
  vocabulary.eos = set(2, "</s>", Type::kControl);
  return vocabulary;
}

}  // namespace quern
