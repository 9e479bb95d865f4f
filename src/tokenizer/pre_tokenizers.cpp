// Names and properties are llama.cpp's (src/llama-vocab.cpp), patterns those of the tokenizer.json files that its
// converter knows by these names, or llama.cpp's own where it has no such file. Of rows with equal patterns the first
// gives the name that is written.
#include "tokenizer/pre_tokenizers.h"

#include <algorithm>

namespace quern {

const char* const kGpt2Split = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

constexpr const char* kQwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen35Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kMiniCpm5Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kJais2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1})";
constexpr const char* kTekkenSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4oSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kYoutuSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kKimiSplit =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseek3Split =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kSpark25Split =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";
constexpr const char* kBailingSplit =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr const char* kSeedCoderSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kUfakzekaSplit =
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kExaoneMoeSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr const char* kBloomSplit = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";
constexpr const char* kThreeDigits = R"(\p{N}{1,3})";
constexpr const char* kHanAndKana = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr const char* kHanAndHangul = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
constexpr const char* kLineByLine = R"([^\n]+|[\n]+)";
// Groups of three digits, counted from the right.
constexpr const char* kThreeDigitsFromTheRight = R"(\d{1,3}(?=(?:\d{3})*(?!\d)))";
constexpr const char* kThreeNumbersFromTheRight = R"(\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})))";
constexpr const char* kDeepseekLetters =
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-"
    "\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a"
    "\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531"
    "-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba"
    "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-"
    "\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59"
    "\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-"
    "\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2"
    "-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d"
    "\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145"
    "-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee"
    "\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787"
    "\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-"
    "\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80"
    "-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+";
constexpr const char* kDeepseekPunctuation = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";
constexpr const char* kYoutuScripts =
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c"
    "\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040"
    "-\u309f\u30a0-\u30ff]+";
constexpr const char* kAfmoeScripts =
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0"
    "-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff"
    "\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+";

// name, patterns, nfc, ignore_merges, add_bos, tokenizer_class
const PreTokenizer kPreTokenizers[] = {
    {"gpt-2", {kGpt2Split}, false, false, false, "GPT2Tokenizer"},
    {"olmo", {kGpt2Split}, true, false, false, "GPTNeoXTokenizer"},
    {"mpt", {kGpt2Split}, true, false, false, nullptr},
    {"phi-2", {kGpt2Split}, false, false, false, nullptr},
    {"jina-es", {kGpt2Split}, false, false, false, nullptr},
    {"jina-de", {kGpt2Split}, false, false, false, nullptr},
    {"jina-v2-es", {kGpt2Split}, false, false, false, nullptr},
    {"jina-v2-de", {kGpt2Split}, false, false, false, nullptr},
    {"jina-v1-en", {kGpt2Split}, false, false, false, nullptr},
    {"jina-v2-code", {kGpt2Split}, false, false, false, nullptr},
    {"roberta-bpe", {kGpt2Split}, false, false, false, nullptr},
    {"gigachat", {kGpt2Split}, false, false, false, nullptr},
    {"a.x-4.0", {kGpt2Split}, false, false, false, nullptr},
    {"mellum", {kGpt2Split}, false, false, false, nullptr},
    {"modern-bert", {kGpt2Split}, true, false, false, nullptr},
    {"exaone4", {kGpt2Split}, false, false, false, nullptr},
    {"jais", {kGpt2Split}, false, false, false, nullptr},
    {"trillion", {kGpt2Split}, false, false, false, nullptr},
    {"granite-docling", {kGpt2Split}, false, false, false, nullptr},
    {"smollm", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"starcoder", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"refact", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"command-r", {kEveryDigit, kGpt2Split}, true, false, false, nullptr},
    {"codeshell", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"exaone", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"minerva-7b", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"mellum2", {kEveryDigit, kGpt2Split}, false, false, false, nullptr},
    {"qwen2", {kQwen2Split}, true, false, false, "Qwen2Tokenizer"},
    {"deepseek-r1-qwen", {kQwen2Split}, true, false, false, nullptr},
    {"kormo", {kQwen2Split}, false, false, false, nullptr},
    {"f2llmv2", {kQwen2Split}, true, false, false, nullptr},
    {"megrez", {kQwen2Split}, true, false, false, nullptr},
    {"stablelm2", {kQwen2Split}, false, false, false, nullptr},
    {"hunyuan", {kQwen2Split}, false, false, false, nullptr},
    {"solar-open", {kQwen2Split}, false, false, false, nullptr},
    {"grok-2", {kQwen2Split}, false, false, false, nullptr},
    {"qwen35", {kQwen35Split}, true, false, false, nullptr},
    {"llama-bpe", {kLlama3Split}, false, true, true, nullptr},
    {"llama-v3", {kLlama3Split}, false, true, true, nullptr},
    {"llama3", {kLlama3Split}, false, true, true, nullptr},
    {"falcon3", {kLlama3Split}, false, true, true, nullptr},
    {"falcon-h1", {kLlama3Split}, false, true, true, nullptr},
    {"pixtral", {kLlama3Split}, false, true, true, nullptr},
    {"midm-2.0", {kLlama3Split}, false, true, true, nullptr},
    {"lfm2", {kLlama3Split}, false, true, true, nullptr},
    {"jina-v5-nano", {kLlama3Split}, false, true, true, nullptr},
    {"smaug-bpe", {kLlama3Split}, false, false, false, nullptr},
    {"dbrx", {kLlama3Split}, false, false, false, nullptr},
    {"glm4", {kLlama3Split}, false, false, false, nullptr},
    {"chatglm-bpe", {kLlama3Split}, false, false, false, nullptr},
    {"jais-2", {kJais2Split}, false, false, false, nullptr},
    {"minicpm5", {kThreeDigits, kMiniCpm5Split}, false, true, false, nullptr},
    {"tekken", {kTekkenSplit}, false, true, true, nullptr},
    {"gpt-4o", {kGpt4oSplit}, false, false, false, nullptr},
    {"llama4", {kGpt4oSplit}, false, false, false, nullptr},
    {"kanana2", {kGpt4oSplit}, false, false, false, nullptr},
    {"talkie", {kGpt4oSplit}, false, false, false, nullptr},
    {"minimax-m2", {kGpt4oSplit}, false, false, false, nullptr},
    {"granite-embed-multi-97m", {kGpt4oSplit}, false, true, false, nullptr},
    {"tiny_aya", {R"(\d{1,3}(?=(?:\d{3})*\b))", kGpt4oSplit}, false, false, false, nullptr},
    {"cohere2moe", {R"(\d{1,3}(?=(?:\d{3})*\b))", kGpt4oSplit}, false, false, false, nullptr},
    {"kimi-k2", {kKimiSplit}, false, false, false, nullptr},
    {"deepseek-llm",
     {"[\r\n]", kDeepseekLetters, kDeepseekPunctuation, R"(\s+$)", kHanAndHangul, R"(\p{N}+)"},
     false,
     false,
     false,
     nullptr},
    {"deepseek-coder",
     {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kHanAndHangul, kEveryDigit},
     false,
     false,
     false,
     nullptr},
    {"deepseek-v3", {kThreeDigits, kHanAndKana, kDeepseek3Split}, false, false, false, nullptr},
    {"hunyuan-dense", {kThreeDigits, kHanAndKana, kDeepseek3Split}, false, false, false, nullptr},
    {"hy_v4", {kThreeDigits, kHanAndKana, kDeepseek3Split}, false, false, false, nullptr},
    {"joyai-llm", {kThreeDigits, kHanAndKana, kDeepseek3Split}, false, false, false, nullptr},
    {"spark2_5", {kThreeDigits, kHanAndKana, kSpark25Split, kEveryDigit}, false, false, false, nullptr},
    {"afmoe", {kThreeNumbersFromTheRight, kAfmoeScripts, kDeepseek3Split}, false, false, false, nullptr},
    {"youtu", {kYoutuScripts, kYoutuSplit}, false, true, false, nullptr},
    {"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Split, "[0-9][0-9][0-9]"}, false, false, false, nullptr},
    {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Split, R"(\p{N}+)", "[0-9][0-9][0-9]"}, false, false, false, nullptr},
    {"poro-chat", {kBloomSplit}, false, false, false, nullptr},
    {"bloom", {kBloomSplit}, false, false, false, nullptr},
    {"gpt3-finnish", {kBloomSplit}, false, false, false, nullptr},
    {"viking", {kBloomSplit, kEveryDigit}, false, false, false, nullptr},
    {"chameleon",
     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", kEveryDigit,
      R"([\p{P}!-/:-@\[-`{-~])", kGpt2Split},
     false,
     false,
     true,
     nullptr},
    {"superbpe", {R"(\p{N}+)", kThreeDigitsFromTheRight}, false, false, false, nullptr},
    {"bailingmoe", {kBailingSplit}, false, false, false, nullptr},
    {"bailingmoe2", {kBailingSplit}, false, false, false, nullptr},
    {"llada-moe", {kBailingSplit}, false, false, false, nullptr},
    {"seed-coder", {kSeedCoderSplit}, false, false, false, nullptr},
    {"ufakzeka", {kUfakzekaSplit}, false, false, false, nullptr},
    {"exaone-moe", {kExaoneMoeSplit}, false, false, false, nullptr},
    {"laguna", {kLineByLine, kQwen2Split}, false, false, false, nullptr},
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
