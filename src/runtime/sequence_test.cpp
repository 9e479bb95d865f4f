// Sequences against transformers' logits and against the walk over whole windows, chunk by chunk.
#include "runtime/sequence.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "base/fail.h"
#include "base/random.h"
#include "checkpoint/edited_copy_fixture.h"
#include "format/formats.h"
#include "runtime/golden_model_fixture.h"

namespace quern {
namespace {

// Relative to the largest logit. Float weights differ from the walk in the order of sums alone. Fused codecs round each
// activation to within 1/254 of the largest in its block of 32, in every product; what that moves in tiny-q8_0 was
// computed in float64 with numpy, from the weights as the package gguf decodes them: kRoundedGolden, and without the
// rounding 2.2e-6.
constexpr double kFloatTolerance = 1e-5, kGoldenTolerance = 1e-5, kRoundedGolden = 0.0569516, kFusedTolerance = 0.07;

struct Fixture {
  const char* path;
  std::size_t vocabulary;
  double tolerance, golden_tolerance;
};
constexpr Fixture kFixtures[] = {
    {"tiny-llama-bias", 96, kFloatTolerance, kGoldenTolerance},
    {"tiny-llama-linear", 96, kFloatTolerance, kGoldenTolerance},
    {"tiny-mistral", 96, kFloatTolerance, kGoldenTolerance},
    {"tiny-qwen3", 120, kFloatTolerance, kGoldenTolerance},
    {"tiny-gpt2", 120, kFloatTolerance, kGoldenTolerance},
    {"tiny-mamba", 120, kFloatTolerance, kGoldenTolerance},
    {"tiny-mixtral", 120, kFloatTolerance, kGoldenTolerance},
    {"tiny-mixtral-stacked", 120, kFloatTolerance, kGoldenTolerance},
    {"tiny-q8_0/model.gguf", 96, kFusedTolerance, kFusedTolerance},
};

std::filesystem::path tiny(const std::string& name) { return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name; }

std::vector<std::int32_t> random_ids(std::size_t count, std::size_t vocabulary, std::uint64_t seed = 1) {
  Random random(seed);
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(vocabulary));
  return ids;
}

std::vector<float> copy(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

// Logits behind each chunk; the last chunk may be shorter.
std::vector<std::vector<float>> fed(Sequence& sequence, std::span<const std::int32_t> ids, std::size_t chunk) {
  std::vector<std::vector<float>> out;
  for (std::size_t at = 0; at < ids.size(); at += chunk)
    out.push_back(copy(sequence.feed(ids.subspan(at, std::min(chunk, ids.size() - at)))));
  return out;
}

double largest(std::span<const float> values) {
  double out = 0;
  for (const float v : values) out = std::max(out, std::abs(double{v}));
  return out;
}

double difference(std::span<const float> a, std::span<const float> b) {
  double worst = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = std::max(worst, std::abs(double{a[i]} - b[i]));
  return worst;
}

template <typename Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

class Sequences : public testing::TestWithParam<Fixture> {};
INSTANTIATE_TEST_SUITE_P(, Sequences, testing::ValuesIn(kFixtures));

TEST_P(Sequences, TokenByTokenAgreesWithTransformers) {
  const Fixture& f = GetParam();
  WalkedModel model(tiny(f.path));
  const std::filesystem::path path = tiny(f.path);
  const auto folder = std::filesystem::is_directory(path) ? path : path.parent_path();
  for (const GoldenCase& golden : read_golden(folder / "golden.json")) {
    Sequence sequence(model.context(), golden.windows.length);
    const auto rows = fed(sequence, golden.windows.ids, 1);
    Matrix logits(rows.size(), f.vocabulary);
    for (std::size_t t = 0; t < rows.size(); ++t) {
      ASSERT_EQ(rows[t].size(), f.vocabulary);
      std::ranges::copy(rows[t], logits.row(t).begin());
    }
    const double error = golden_error(golden, logits);
    EXPECT_LT(error, f.golden_tolerance);
    RecordProperty("error", std::to_string(error * 1e9) + "e-9");
  }
}

TEST_P(Sequences, ChunksAgreeWithTheWholeWindow) {
  const Fixture& f = GetParam();
  WalkedModel model(tiny(f.path));
  const std::vector<std::int32_t> ids = random_ids(100, f.vocabulary);
  const Matrix whole = model.logits({ids.size(), ids});
  const double scale = largest(whole.flat());
  double worst = 0;
  for (const std::size_t chunk : {1, 3, 7, 64, 100}) {
    Sequence sequence(model.context(), ids.size());
    const auto rows = fed(sequence, ids, chunk);
    ASSERT_EQ(rows.size(), (ids.size() + chunk - 1) / chunk);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::size_t position = std::min((i + 1) * chunk, ids.size()) - 1;
      worst = std::max(worst, difference(rows[i], whole.row(position)) / scale);
    }
    EXPECT_LT(worst, f.tolerance) << chunk;
    EXPECT_EQ(sequence.position(), ids.size());
  }
  RecordProperty("error", std::to_string(worst * 1e9) + "e-9");
}

// Chunks of other sizes sum attention in another order: the last bits may differ (ChunksAgreeWithTheWholeWindow).
TEST_P(Sequences, ThreadsDoNotChangeABit) {
  const Fixture& f = GetParam();
  const std::vector<std::int32_t> ids = random_ids(70, f.vocabulary, 2);
  for (const std::size_t chunk : {1, 7, 70}) {
    std::vector<std::vector<float>> expected;
    for (const unsigned threads : {1u, 2u, 4u}) {
      WalkedModel model(tiny(f.path), threads);
      Sequence sequence(model.context(), ids.size());
      const auto rows = fed(sequence, ids, chunk);
      if (expected.empty()) expected = rows;
      EXPECT_EQ(rows, expected) << threads << " threads, chunks of " << chunk;
    }
  }
}

TEST_P(Sequences, ClearStartsAnew) {
  const Fixture& f = GetParam();
  WalkedModel model(tiny(f.path));
  const std::vector<std::int32_t> first = random_ids(30, f.vocabulary, 3), second = random_ids(20, f.vocabulary, 4);
  Sequence fresh(model.context(), 30), used(model.context(), 30);
  const auto expected = fed(fresh, second, 6);
  fed(used, first, 30);
  used.clear();
  EXPECT_EQ(used.position(), 0u);
  EXPECT_EQ(fed(used, second, 6), expected);
}

TEST_P(Sequences, WhatDoesNotFitFeedsNothing) {
  const Fixture& f = GetParam();
  WalkedModel model(tiny(f.path));
  const std::vector<std::int32_t> ids = random_ids(11, f.vocabulary, 5);
  Sequence sequence(model.context(), 10), other(model.context(), 10);
  EXPECT_EQ(sequence.capacity(), 10u);
  expect_contains(message_of([&] { sequence.feed(ids); }), "11 tokens behind 0 do not fit the context of 10");
  EXPECT_EQ(sequence.position(), 0u);
  sequence.feed(std::span(ids).first(8));
  expect_contains(message_of([&] { sequence.feed(std::span(ids).last(3)); }),
                  "3 tokens behind 8 do not fit the context of 10");
  EXPECT_EQ(sequence.position(), 8u);
  other.feed(std::span(ids).first(8));
  const std::vector<float> expected = copy(other.feed(std::span(ids).subspan(8, 2)));
  EXPECT_EQ(copy(sequence.feed(std::span(ids).subspan(8, 2))), expected);
}

TEST_P(Sequences, IdsOutsideTheVocabularyFeedNothing) {
  const Fixture& f = GetParam();
  WalkedModel model(tiny(f.path));
  const auto beyond = static_cast<std::int32_t>(f.vocabulary);
  Sequence sequence(model.context(), 10), other(model.context(), 10);
  for (const std::int32_t bad : {-1, beyond}) {
    const std::int32_t ids[] = {1, bad, 2};
    expect_contains(message_of([&] { sequence.feed(ids); }),
                    fmt::format("token {} is outside the model's vocabulary of {}", bad, beyond));
    EXPECT_EQ(sequence.position(), 0u);
  }
  const std::int32_t good[] = {1, beyond - 1, 2};
  EXPECT_EQ(copy(sequence.feed(good)), copy(other.feed(good)));
}

TEST(FusedSequence, DiffersFromFloatByTheRoundingOfActivationsAndNothingElse) {
  WalkedModel model(tiny("tiny-q8_0/model.gguf"));
  const GoldenCase golden = read_golden(tiny("tiny-q8_0") / "golden.json").at(0);
  Sequence sequence(model.context(), golden.windows.length);
  const auto rows = fed(sequence, golden.windows.ids, 1);
  double worst = 0;
  for (std::size_t p = 0; p < golden.positions.size(); ++p)
    for (std::size_t v = 0; v < golden.vocabulary_ids.size(); ++v)
      worst = std::max(worst, std::abs(rows[golden.positions[p]][golden.vocabulary_ids[v]] - golden.logits[p][v]));
  EXPECT_NEAR(worst / golden.largest, kRoundedGolden, 1e-5);
}

// Three matrices of experts in f32 among those in bf16, as a fallback or a precision map writes them; of other values,
// so that they are missed where they are not used. Not fused codecs: rounded activations can choose other experts.
void write_mixed_experts(const std::filesystem::path& folder) {
  RawModel model = raw_model(tiny("tiny-mixtral"));
  const Checkpoint checkpoint = open_checkpoint(tiny("tiny-mixtral"));
  for (const char* name :
       {"model.layers.1.block_sparse_moe.experts.2.w1.weight", "model.layers.1.block_sparse_moe.experts.2.w3.weight",
        "model.layers.0.block_sparse_moe.experts.4.w1.weight"}) {
    Matrix values = CheckpointWeights(checkpoint).read(name);
    for (float& value : values.flat()) value *= 1.1f;
    const auto bytes = std::as_bytes(values.flat());
    model.tensors.at(name) = {model.tensors.at(name).shape, kFloat32, {bytes.begin(), bytes.end()}};
  }
  write_raw(model, folder);
}

TEST(MixedExperts, GiveTheLogitsOfTheWalk) {
  const ScratchFolder scratch;
  write_mixed_experts(scratch.path());
  WalkedModel model(scratch.path());
  const std::vector<std::int32_t> ids = random_ids(70, 120, 6);
  const Matrix whole = model.logits({ids.size(), ids});
  Sequence sequence(model.context(), ids.size());
  const auto rows = fed(sequence, ids, 1);
  double worst = 0;
  for (std::size_t t = 0; t < ids.size(); ++t) worst = std::max(worst, difference(rows[t], whole.row(t)));
  EXPECT_LT(worst / largest(whole.flat()), kFloatTolerance);
  RecordProperty("error", std::to_string(worst / largest(whole.flat()) * 1e9) + "e-9");
}

// A copy of the model with one number of one tensor overwritten.
class Damaged : public testing::Test {
 protected:
  std::filesystem::path with_nan(const std::string& tensor) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("quern_sequence_" + tensor);
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    for (const char* name : {"config.json", "model.safetensors"})
      std::filesystem::copy_file(tiny("tiny-mistral") / name, folder / name);
    const Checkpoint checkpoint = open_checkpoint(folder);
    const auto offset = static_cast<std::streamoff>(checkpoint.at(tensor).parts.at(0).offset);
    const float value = std::numeric_limits<float>::quiet_NaN();
    std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
    return folder;
  }
};

TEST_F(Damaged, NanInAWeightIsAnErrorThatNamesItAndTheFile) {
  for (const char* tensor : {"model.layers.1.mlp.down_proj.weight", "model.layers.0.self_attn.q_proj.weight",
                             "model.layers.1.input_layernorm.weight", "lm_head.weight"}) {
    const std::filesystem::path folder = with_nan(tensor);
    WalkedModel model(folder);
    Sequence sequence(model.context(), 4);
    const std::string message = message_of([&] { sequence.feed(std::vector<std::int32_t>{1, 5, 9}); });
    expect_contains(message, folder.string());
    expect_contains(message, "are not finite");
    expect_contains(message, "token 2");
    expect_contains(message, std::string("tensor ") + tensor + " holds a NaN or infinity in row 0");
  }
}

TEST_F(Damaged, NanInAnEmbeddingIsFoundByTheTokenThatReadsIt) {
  WalkedModel model(with_nan("model.embed_tokens.weight"));  // row 0
  Sequence sequence(model.context(), 4);
  EXPECT_NO_THROW(sequence.feed(std::vector<std::int32_t>{1, 5}));
  message_of([&] { sequence.feed(std::vector<std::int32_t>{0}); });
}

std::uint64_t weight_bytes(const std::string& fixture) {
  WalkedModel model(tiny(fixture));
  return weight_bytes_per_token(model.context());
}

TEST(WeightBytesPerToken, AreEveryMatrixAndVectorButTheEmbedding) {
  const std::uint64_t attention = 2 * 64 * 64 + 2 * 32 * 64, mlp = 3 * 96 * 64, head = 96 * 64, norms = 2 * 64;
  const std::uint64_t matrices = 2 * (attention + mlp) + head, vectors = 2 * norms + 64;
  EXPECT_EQ(weight_bytes("tiny-mistral"), 4 * (matrices + vectors));
  EXPECT_EQ(weight_bytes("tiny-llama-linear"), 2 * (matrices + vectors));  // the head is the embedding, read whole
  EXPECT_EQ(weight_bytes("tiny-llama-bias"), 2 * (matrices + vectors + 2 * (64 + 32 + 32 + 64)));
  EXPECT_EQ(weight_bytes("tiny-q8_0/model.gguf"), matrices / 32 * 34 + 4 * vectors);
}

TEST(WeightBytesPerToken, CountTransposedMatricesAndNoPositions) {
  const std::uint64_t layer = 32 * 96 + 96 + 32 * 32 + 32 + 2 * (32 * 80) + 80 + 32 + 4 * 32;
  EXPECT_EQ(weight_bytes("tiny-gpt2"), 4 * (3 * layer + 2 * 32 + 120 * 32));
}

TEST(WeightBytesPerToken, CountTheScansConstants) {
  const std::uint64_t layer = 32 + 192 * 32 + 192 + 96 * 3 + 96 + 21 * 96 + 96 * 5 + 96 + 96 * 8 + 96 + 32 * 96 + 32;
  EXPECT_EQ(weight_bytes("tiny-mamba"), 4 * (3 * layer + 32 + 120 * 32));
}

TEST(WeightBytesPerToken, CountTheChosenExpertsAlone) {
  const std::uint64_t attention = 2 * 48 * 32 + 2 * 24 * 32, router = 5 * 32, expert = 3 * 40 * 32, norms = 2 * 32;
  const std::uint64_t expected = 2 * (3 * (attention + router + 3 * expert + norms) + 32 + 120 * 32);
  EXPECT_EQ(weight_bytes("tiny-mixtral"), expected);
  EXPECT_EQ(weight_bytes("tiny-mixtral-stacked"), expected);
}

TEST(WeightBytesPerToken, CountEachExpertInItsOwnEncoding) {
  const ScratchFolder scratch;
  write_mixed_experts(scratch.path());
  WalkedModel model(scratch.path());
  const std::uint64_t more = 3 * 40 * (4 - 2) * 32;  // three matrices; 3 of 5 experts are read
  EXPECT_EQ(weight_bytes_per_token(model.context()), weight_bytes("tiny-mixtral") + more * 3 / 5);
}

std::uint64_t bytes_of_state(const std::string& fixture, std::size_t tokens) {
  return state_bytes(WalkedModel(tiny(fixture)).spec, tokens);
}

TEST(StateBytes, AreKeysAndValuesOfEveryToken) {
  EXPECT_EQ(bytes_of_state("tiny-llama-bias", 10), 2u * 2 * (2 * 16) * 10 * 4);
  EXPECT_EQ(bytes_of_state("tiny-gpt2", 7), 3u * 2 * 32 * 7 * 4);
  EXPECT_EQ(bytes_of_state("tiny-llama-bias", 0), 0u);
}

TEST(StateBytes, ForgetWhatLiesBehindASlidingWindow) {
  // The window is 24; 64 positions more are kept, so that it slides on once in so many tokens.
  EXPECT_EQ(bytes_of_state("tiny-mistral", 88), 2u * 2 * (2 * 16) * 88 * 4);
  EXPECT_EQ(bytes_of_state("tiny-mistral", 100'000), 2u * 2 * (2 * 16) * 88 * 4);
}

TEST(SlidingWindow, AgreesWithTheWalkLongAfterItsCacheWasFull) {
  for (const char* name : {"tiny-mistral", "tiny-qwen3", "tiny-mixtral"}) {
    WalkedModel model(tiny(name));
    const Windows windows = seeded_windows(1, 250, model.spec.extent("vocab"), 3);
    const Matrix whole = model.logits(windows);
    for (const std::size_t chunk : {1u, 9u, 64u, 250u}) {
      Sequence sequence(model.context(), windows.length);
      const std::vector<std::vector<float>> logits = fed(sequence, windows.ids, chunk);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        const std::span<const float> right = whole.row(std::min((i + 1) * chunk, windows.length) - 1);
        EXPECT_LT(difference(logits[i], right), kFloatTolerance * largest(right)) << name << " " << chunk << " " << i;
      }
    }
  }
}

TEST(StateBytes, OfAScanDoNotGrow) {
  const std::uint64_t expected = 3u * ((3 - 1) * 96 + 8 * 96) * 4;
  EXPECT_EQ(bytes_of_state("tiny-mamba", 1), expected);
  EXPECT_EQ(bytes_of_state("tiny-mamba", 100'000), expected);
}

}  // namespace
}  // namespace quern
