// Lines of "BASE64 RANK" (github.com/openai/tiktoken, load.py). All pairs that make a string of the list become merges,
// in the order of the strings' ranks: what tiktoken does when it looks up the pair.
#include "vocabulary/rank_list.h"

#include <algorithm>
#include <charconv>

#include "base/base64.h"
#include "base/fail.h"
#include "base/printable.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/byte_bpe.h"
#include "tokenizer/pre_tokenizers.h"

namespace quern {
namespace {

using Type = Vocabulary::PieceType;

// Published lists, by their length.
struct KnownList {
  std::size_t ranks;
  const char* split;
  const char* const* special_tokens;  // null, or up to a null; ids behind the ranks
};
constexpr const char* kReserved[] = {"<|begin_of_text|>",
                                     "<|end_of_text|>",
                                     "<|reserved_special_token_0|>",
                                     "<|reserved_special_token_1|>",
                                     "<|reserved_special_token_2|>",
                                     "<|reserved_special_token_3|>",
                                     "<|start_header_id|>",
                                     "<|end_header_id|>",
                                     "<|reserved_special_token_4|>",
                                     "<|eot_id|>",
                                     nullptr};
constexpr KnownList kKnownLists[] = {
    {128000, "llama-bpe", kReserved}, {100256, "dbrx", nullptr}, {199998, "gpt-4o", nullptr},
    {151643, "qwen2", nullptr},       {151329, "glm4", nullptr}, {163584, "kimi-k2", nullptr},
    {50256, "gpt-2", nullptr},
};

struct RankLine {
  std::string bytes;
  std::uint32_t rank = 0;
};

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

RankLine read_line(std::string_view line) {
  const std::size_t space = line.find(' ');
  RankLine out;
  const std::string_view number = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  const auto read = std::from_chars(number.data(), number.data() + number.size(), out.rank);
  if (number.empty() || read.ec != std::errc() || read.ptr != number.data() + number.size())
    fail(ErrorCode::kInput, "\"{}\" is not base64 and a rank", excerpt(line));
  out.bytes = decode_base64(line.substr(0, space));
  return out;
}

void add_merges(Vocabulary& vocabulary, const std::vector<std::string>& strings) {
  TextIds ids;
  ids.reserve(strings.size());
  for (std::size_t i = 0; i < strings.size(); ++i) ids.emplace(strings[i], static_cast<std::int32_t>(i));
  constexpr std::size_t kLongest = 512;  // bytes; strings of spaces come near it
  for (const std::string& whole : strings) {
    if (whole.size() > kLongest)
      fail(ErrorCode::kInput, "a string of {} bytes; {} are expected at most", whole.size(), kLongest);
    for (std::size_t cut = 1; cut < whole.size(); ++cut) {
      const auto left = ids.find(std::string_view(whole).substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(std::string_view(whole).substr(cut));
      if (right != ids.end()) vocabulary.merges.push_back({left->second, right->second});
    }
  }
}

const KnownList* known_list(std::size_t ranks) {
  const auto found = std::ranges::find(kKnownLists, ranks, &KnownList::ranks);
  return found == std::end(kKnownLists) ? nullptr : found;
}

// The tokens that a known list brings with it; the first begins a text and the second ends it.
void add_special_tokens(Vocabulary& vocabulary, const char* const* texts) {
  const auto first = static_cast<std::int32_t>(vocabulary.pieces.size());
  for (; *texts; ++texts) vocabulary.pieces.push_back({.text = *texts, .type = Type::kControl, .in_model = false});
  vocabulary.bos = first;
  vocabulary.eos = first + 1;
}

}  // namespace

bool is_rank_list(std::string_view bytes) {
  try {
    return !read_line(next_line(bytes)).bytes.empty();
  } catch (const Error&) {
    return false;
  }
}

Vocabulary parse_rank_list(std::string_view bytes, const PreTokenizer* split) {
  Vocabulary vocabulary;
  vocabulary.model = Vocabulary::Model::kByteBpe;
  vocabulary.add_bos = vocabulary.add_space_prefix = vocabulary.escape_whitespaces = false;
  std::vector<std::string> strings;
  for (std::size_t number = 1; !bytes.empty(); ++number) {
    const std::string_view line = next_line(bytes);
    if (line.empty()) continue;
    RankLine read = with_context(fmt::format("line {}", number), [&] { return read_line(line); });
    if (read.rank != strings.size())
      fail(ErrorCode::kInput, "line {} has the rank {}, {} was expected", number, read.rank, strings.size());
    vocabulary.pieces.push_back({.text = alphabet_of_bytes(read.bytes)});
    strings.push_back(std::move(read.bytes));
  }
  const KnownList* known = known_list(strings.size());
  if (!split && known) split = find_pre_tokenizer(known->split);
  if (!split)
    fail(
        ErrorCode::kInput,
        "a list of {} ranks does not say how it splits text, and none of that length is known; a tokenizer.json beside "
        "it would say it",
        strings.size());
  vocabulary.split_patterns = split->split_patterns();
  vocabulary.nfc = split->nfc;
  vocabulary.ignore_merges = true;
  add_merges(vocabulary, strings);
  if (known && known->special_tokens) {
    add_special_tokens(vocabulary, known->special_tokens);
    vocabulary.add_bos = split->add_bos;
  }
  return vocabulary;
}

}  // namespace quern
