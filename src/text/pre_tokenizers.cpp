// Names and properties are llama.cpp's (src/llama-vocab.cpp), patterns those of the tokenizer.json files that its
// converter knows by these names. Of rows with equal patterns the first gives the name that is written.
#include "text/pre_tokenizers.h"

#include <algorithm>

namespace quern {

const char* const kGpt2Split = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

constexpr const char* kQwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// name, patterns, nfc, ignore_merges, add_bos, tokenizer_class
const PreTokenizer kPreTokenizers[] = {
    {"gpt-2", {kGpt2Split}, false, false, false, "GPT2Tokenizer"},
    {"olmo", {kGpt2Split}, true, false, false, "GPTNeoXTokenizer"},
    {"mpt", {kGpt2Split}, true, false, false, nullptr},
    {"phi-2", {kGpt2Split}, false, false, false, nullptr},
    {"smollm", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"qwen2", {kQwen2Split}, true, false, false, "Qwen2Tokenizer"},
    {"deepseek-r1-qwen", {kQwen2Split}, true, false, false, nullptr},
    {"llama-bpe", {kLlama3Split}, false, true, true, nullptr},
    {"llama-v3", {kLlama3Split}, false, true, true, nullptr},
    {"llama3", {kLlama3Split}, false, true, true, nullptr},
    {"smaug-bpe", {kLlama3Split}, false, false, false, nullptr},
};

}  // namespace

std::vector<std::string> PreTokenizer::split_patterns() const {
  std::vector<std::string> all;
  for (const char* pattern : patterns)
    if (pattern) all.emplace_back(pattern);
  return all;
}

std::span<const PreTokenizer> pre_tokenizers() { return kPreTokenizers; }

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  const auto found = std::ranges::find_if(kPreTokenizers, [&](const PreTokenizer& row) { return row.name == name; });
  return found == std::end(kPreTokenizers) ? nullptr : found;
}

const PreTokenizer* pre_tokenizer_of(const Vocabulary& vocabulary) {
  const PreTokenizer* nearest = nullptr;
  for (const PreTokenizer& row : kPreTokenizers) {
    if (row.ignore_merges != vocabulary.ignore_merges || row.split_patterns() != vocabulary.split_patterns) continue;
    if (row.nfc == vocabulary.nfc) return &row;
    if (!nearest) nearest = &row;
  }
  return nearest;
}

const PreTokenizer* pre_tokenizer_of_class(std::string_view tokenizer_class) {
  if (tokenizer_class.ends_with("Fast")) tokenizer_class.remove_suffix(4);
  const auto found = std::ranges::find_if(kPreTokenizers, [&](const PreTokenizer& row) {
    return row.tokenizer_class && row.tokenizer_class == tokenizer_class;
  });
  return found == std::end(kPreTokenizers) ? nullptr : found;
}

}  // namespace quern
