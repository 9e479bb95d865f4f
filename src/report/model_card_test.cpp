// What the card says about running a package.
#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "package/package.h"

namespace quern {
namespace {

std::string card_of(const char* fixture, const char* scheme, const char* codec_of_embedding) {
  const ScratchFolder scratch;
  CompressOptions options;
  options.input = convertible_copy(tiny(fixture), scratch);
  options.output = scratch.path() / "out";
  options.scheme = scheme;
  options.larger = CompressOptions::Larger::kAllow;
  Observer observer;
  const Report report = compress(options, observer);
  EXPECT_EQ(report.ladder.back().plan.steps.front().codec, codec_of_embedding);
  return read_text(options.output / kCardName);
}

TEST(ModelCard, SaysWhatRunsAPackageOfEachContainer) {
  const auto has = [](const std::string& card, const char* part) { return card.find(part) != std::string::npos; };
  const std::string packed = card_of("tiny-llama-bias", "simple", "int8_channel"),
                    several = card_of("tiny-llama-bias", "mixed-int4", "int8_channel"),
                    blocks = card_of("tiny-llama-bias", "nf4", "bf16"),
                    gguf = card_of("tiny-llama-bias", "q8_0", "q8_0");
  for (const std::string& card : {packed, several, blocks, gguf})
    EXPECT_TRUE(has(card, "`quern run \"THIS FOLDER\" --prompt \"...\"`")) << card;
  EXPECT_TRUE(has(packed,
                  "- `from transformers import AutoModelForCausalLM; model = AutoModelForCausalLM.from_pretrained("
                  "\"THIS FOLDER\")`: transformers with the compressed-tensors package, checked with "
                  "transformers 5.23.0, compressed-tensors 0.20.0\n"))
      << packed;
  EXPECT_TRUE(
      has(blocks, "from_pretrained(\"THIS FOLDER\")`: transformers with the bitsandbytes package, checked with "));
  EXPECT_FALSE(has(blocks, "compressed-tensors"));
  EXPECT_FALSE(has(card_of("tiny-gpt2", "nf4", "bf16"), "bitsandbytes package"));  // nothing of it is packed
  EXPECT_FALSE(has(several, "from_pretrained"));
  EXPECT_TRUE(has(several, "\nlibrary_name: quern\n"));
  EXPECT_TRUE(has(several, "transformers 5.23 does not load the number formats of this folder beside each other"));
  EXPECT_TRUE(has(gguf, "`llama-cli -m tiny-llama-bias-q8_0.gguf -p \"...\"`: llama.cpp, checked with llama.cpp b"))
      << gguf;
}

}  // namespace
}  // namespace quern
