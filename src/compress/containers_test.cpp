// From one container to the other and back: the same tensors, the same description, the same logits.
#include <bit>
#include <cmath>

#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "model/spec_json.h"
#include "package/verify.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Nats. A GGUF file has the pairs of a head as neighbours, so that products of heads are summed in another order, and
// the epsilon of the norms as a 32-bit float: 3e-9 at most was seen of these models.
constexpr double kSumsInAnotherOrder = 1e-8;

fs::path converted(const fs::path& source, const fs::path& output, const char* format, const char* scheme = "f32") {
  CompressOptions options;
  options.input = source;
  options.output = output;
  options.scheme = scheme;
  options.format = format;
  options.machine.threads = 2;
  options.requantize = CompressOptions::Requantize::kAllow;
  options.larger = CompressOptions::Larger::kAllow;
  Observer observer;
  compress(options, observer);
  return output;
}

std::vector<std::uint32_t> bits_of(const Matrix& matrix) {
  std::vector<std::uint32_t> bits;
  for (const float value : matrix.flat()) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

// -exp of it is what a GGUF file holds; numbers that give the same are the same.
Matrix negated_exp(Matrix matrix) {
  for (float& value : matrix.flat()) value = -std::exp(value);
  return matrix;
}

void expect_same_tensors(const fs::path& before, const fs::path& after) {
  const Checkpoint a = open_checkpoint(before), b = open_checkpoint(after);
  const CheckpointWeights of_a(a), of_b(b);
  for (const TensorEntry& entry : b.tensors()) {
    const TensorEntry* was = a.find(entry.name);
    ASSERT_TRUE(was) << entry.name;
    EXPECT_EQ(entry.shape, was->shape) << entry.name;
    Matrix left = of_a.read(entry.name), right = of_b.read(entry.name);
    if (entry.name.ends_with("A_log")) {
      for (std::size_t i = 0; i < left.flat().size(); ++i)
        EXPECT_NEAR(left.flat()[i], right.flat()[i], 2e-7 * std::max(1.0F, std::abs(left.flat()[i]))) << entry.name;
      left = negated_exp(std::move(left));
      right = negated_exp(std::move(right));
    }
    EXPECT_EQ(bits_of(left), bits_of(right)) << entry.name;
  }
  const std::string copy = describe_model(a).tied_copy;
  EXPECT_EQ(a.tensors().size() - (copy.empty() ? 0 : 1), b.tensors().size());
}

void expect_same_description(const fs::path& before, const fs::path& after) {
  Json a = to_json(OpenModel(before).spec), b = to_json(OpenModel(after).spec);
  for (Json* json : {&a, &b})
    for (const char* key : {"evidence", "tied_copy"}) json->set(key, Json());
  EXPECT_EQ(dump_json(a, 1), dump_json(b, 1));
}

void expect_same_tokenizer(const fs::path& before, const fs::path& after) {
  const Tokenizer a = load_tokenizer(open_checkpoint(before)), b = load_tokenizer(open_checkpoint(after));
  EXPECT_EQ(a.vocabulary().pieces.size(), b.vocabulary().pieces.size());
  EXPECT_EQ(a.vocabulary().eos, b.vocabulary().eos);
  EXPECT_EQ(a.encode(small_text(1)), b.encode(small_text(1)));
}

class ThereAndBack : public testing::TestWithParam<const char*> {};

TEST_P(ThereAndBack, LosesNothing) {
  const ScratchFolder scratch;
  const fs::path source = convertible_copy(fs::path(QUERN_TESTDATA) / GetParam(), scratch);
  const fs::path file = converted(source, scratch.path() / "file", "gguf");
  const fs::path folder = converted(file, scratch.path() / "folder", "safetensors");
  EXPECT_EQ(divergence(source, folder), 0);
  EXPECT_LT(std::abs(divergence(file, folder)), kSumsInAnotherOrder);
  expect_same_tensors(source, folder);
  expect_same_description(source, folder);
  expect_same_tokenizer(source, folder);
}

INSTANTIATE_TEST_SUITE_P(, ThereAndBack,
                         testing::Values("model/tiny-qwen3", "model/tiny-gpt2", "model/tiny-mamba",
                                         "model/tiny-mixtral", "runtime/tiny-llama-bias", "runtime/tiny-llama-linear",
                                         "runtime/tiny-mixtral", "../models/llama-7m"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::ranges::replace_if(name, [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

// A folder of another spelling: the same model under the names that its class usually has.
TEST(StackedExperts, ComeBackApart) {
  const ScratchFolder scratch;
  const fs::path source = convertible_copy(fs::path(QUERN_TESTDATA) / "runtime/tiny-mixtral-stacked", scratch);
  const fs::path file = converted(source, scratch.path() / "file", "gguf");
  const fs::path folder = converted(file, scratch.path() / "folder", "safetensors");
  EXPECT_EQ(divergence(source, folder), 0);
  EXPECT_TRUE(open_checkpoint(folder).find("model.layers.2.block_sparse_moe.experts.4.w3.weight"));
}

// Mistral has no metadata of its own in GGUF: it comes back as what it computes.
TEST(Mistral, ComesBackAsALlama) {
  const ScratchFolder scratch;
  const fs::path source = convertible_copy(fs::path(QUERN_TESTDATA) / "runtime/tiny-mistral", scratch);
  const fs::path file = converted(source, scratch.path() / "file", "gguf");
  const fs::path folder = converted(file, scratch.path() / "folder", "safetensors");
  EXPECT_EQ(open_checkpoint(folder).config().at("model_type"), Json("llama"));
  EXPECT_EQ(divergence(source, folder), 0);
  expect_same_tensors(source, folder);
}

class OfLlamaCpp : public testing::TestWithParam<const char*> {};

// Files of llama.cpp's converter, and one of llama-quantize's.
TEST_P(OfLlamaCpp, BecomesAFolderThatComputesTheSame) {
  const ScratchFolder scratch;
  const fs::path source = fs::path(QUERN_TESTDATA) / GetParam();
  const fs::path folder = converted(source, scratch.path() / "folder", "safetensors");
  EXPECT_LT(std::abs(divergence(source, folder)), kSumsInAnotherOrder);
  Observer observer;
  EXPECT_EQ(verify_package({.package = folder, .original = source, .stride = 1, .machine = {.threads = 2}}, observer)
                .problems,
            std::vector<std::string>{});
}

TEST_P(OfLlamaCpp, IsPacked) {
  const ScratchFolder scratch;
  const fs::path source = fs::path(QUERN_TESTDATA) / GetParam();
  for (const auto& [scheme, format] : {std::pair{"int8", "safetensors"}, {"mixed-int4", ""}, {"nf4", ""}}) {
    SCOPED_TRACE(scheme);
    const fs::path out = converted(source, scratch.path() / scheme, format, scheme);
    Observer observer;
    EXPECT_EQ(
        verify_package({.package = out, .original = source, .stride = 1, .machine = {.threads = 2}}, observer).problems,
        std::vector<std::string>{});
    EXPECT_LT(divergence(source, out), scheme == std::string("int8") ? 0.03 : 1.2);
  }
}

INSTANTIATE_TEST_SUITE_P(, OfLlamaCpp,
                         testing::Values("model/tiny-qwen3.gguf", "model/tiny-gpt2.gguf", "model/tiny-mamba.gguf",
                                         "model/tiny-mixtral.gguf", "runtime/tiny-q8_0/model.gguf"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::ranges::replace_if(name, [](char c) { return !std::isalnum(c); }, '_');
                           return name;
                         });

TEST(SimpleOfAGgufFile, IsAFolderNow) {
  const ScratchFolder scratch;
  const Report report = compress_tiny(tiny("tiny-q8_0") / "model.gguf", scratch.path() / "out");
  EXPECT_EQ(report.ladder.back().plan.scheme, "simple");
  EXPECT_EQ(report.ladder.back().plan.format, "safetensors");
}

// A vocabulary that nothing here understands goes from GGUF to GGUF pair by pair.
TEST(VocabularyOfAnotherKind, IsCopied) {
  const ScratchFolder scratch;
  const fs::path source = convertible_copy(fs::path(QUERN_TESTDATA) / "runtime/tiny-llama-bias", scratch);
  const fs::path whole = open_checkpoint(converted(source, scratch.path() / "file", "gguf")).files()[0].path;
  std::string bytes = read_text(whole);
  const std::string pre = "tokenizer.ggml.pre";
  const std::size_t name = bytes.find(pre) + pre.size() + 4 + 8;  // behind the type and the length
  bytes[name] = 'X';
  const fs::path strange = scratch.write("strange.gguf", bytes);
  EXPECT_FALSE(SourceTokenizer(open_checkpoint(strange)).problem().empty());
  const fs::path out = open_checkpoint(converted(strange, scratch.path() / "out", "gguf", "q8_0")).files()[0].path;
  const Metadata before = open_checkpoint(strange).metadata(), after = open_checkpoint(out).metadata();
  for (const auto& [key, value] : before.pairs()) {
    if (!key.starts_with("tokenizer.")) continue;
    ASSERT_TRUE(after.find(key)) << key;
    EXPECT_TRUE(*after.find(key) == value) << key;
  }
}

}  // namespace
}  // namespace quern
