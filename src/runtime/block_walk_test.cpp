// Walks of tiny models: independence of threads and windows, hooks, and errors that name what is wrong.
#include "runtime/block_walk.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "base/random.h"
#include "codec/codec.h"
#include "quern/error.h"
#include "runtime/golden_model_fixture.h"

namespace quern {
namespace {

std::filesystem::path tiny(const std::string& name) { return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name; }

Windows random_windows(std::size_t count, std::size_t length, std::uint64_t seed = 1) {
  Random random(seed);
  Windows windows{length, {}};
  for (std::size_t i = 0; i < count * length; ++i) windows.ids.push_back(static_cast<std::int32_t>(random.below(96)));
  return windows;
}

std::vector<float> all_of(const ActivationStore& store) {
  Matrix window(store.length(), store.width());
  std::vector<float> out;
  for (std::size_t w = 0; w < store.windows(); ++w) {
    store.load(w, window.view());
    out.insert(out.end(), window.flat().begin(), window.flat().end());
  }
  return out;
}

// The tensor as it is stored, with one value changed, in float.
PackedTensor with_value(const WalkedModel& model, const std::string& tensor, std::size_t row, float value) {
  Matrix weights = model.stored.read(tensor);
  weights.row(row)[0] = value;
  PackedTensor packed(*find_codec("f32"), model.stored.layout(tensor));
  for (std::size_t i = 0; i < weights.rows(); ++i) encode_row(packed.codec(), weights.row(i), {}, packed.row(i));
  return packed;
}

template <typename Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

const std::string& first_tensor(const ModelSpec& spec, const Block& block, const std::string& role) {
  for (const std::size_t index : spec.weights_of(block))
    if (spec.weights[index].role == role) return spec.weights[index].tensor;
  throw std::runtime_error("no " + role);
}

TEST(BlockWalk, ThreadsDoNotChangeABit) {
  const Windows windows = random_windows(7, 40);
  const std::vector<float> one = all_of(WalkedModel(tiny("tiny-mistral"), 1).run(windows));
  for (const unsigned threads : {2u, 4u})
    EXPECT_EQ(one, all_of(WalkedModel(tiny("tiny-mistral"), threads).run(windows)));
}

TEST(BlockWalk, WindowsDoNotSeeEachOther) {
  WalkedModel model(tiny("tiny-llama-bias"));
  const Windows windows = random_windows(5, 40);
  const std::vector<float> together = all_of(model.run(windows));
  for (std::size_t w = 0; w < 5; ++w) {
    const auto ids = windows.window(w);
    const std::vector<float> alone = all_of(model.run({40, {ids.begin(), ids.end()}}));
    EXPECT_TRUE(
        std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(w * alone.size())))
        << w;
  }
}

TEST(BlockWalk, SpilledStatesGiveTheSameBits) {
  WalkedModel model(tiny("tiny-llama-linear"));
  const Windows windows = random_windows(5, 40);
  EXPECT_EQ(all_of(model.run(windows)), all_of(model.run(windows, 0)));
}

TEST(BlockWalk, FromAndToLeavesTheInput) {
  WalkedModel model(tiny("tiny-mistral"));
  const WalkContext context = model.context();
  ActivationStore hidden = embed_windows(context, random_windows(3, 20), UINT64_MAX);
  const std::vector<float> before = all_of(hidden);
  ActivationStore to(3, 20, hidden.width(), UINT64_MAX);
  run_block(context, 1, hidden, to);
  EXPECT_EQ(all_of(hidden), before);
  run_block(context, 1, hidden);
  EXPECT_EQ(all_of(hidden), all_of(to));
  EXPECT_NE(all_of(hidden), before);
}

TEST(BlockWalk, EmbeddingIsTheRowsOfTheTable) {
  WalkedModel model(tiny("tiny-q8_0/model.gguf"));
  const Windows windows{4, {5, 6, 5, 95, 0, 1, 2, 1}};
  const Matrix table = model.stored.read(model.spec.weights[model.spec.blocks[0].ops[0].weights[0]].tensor);
  const std::vector<float> got = all_of(embed_windows(model.context(), windows, UINT64_MAX));
  for (std::size_t i = 0; i < windows.ids.size(); ++i) {
    const auto row = table.row(static_cast<std::size_t>(windows.ids[i]));
    EXPECT_TRUE(std::equal(row.begin(), row.end(), got.begin() + static_cast<std::ptrdiff_t>(i * row.size()))) << i;
  }
}

TEST(BlockWalk, HookHearsEachGroupOncePerWindow) {
  WalkedModel model(tiny("tiny-mistral"));
  std::mutex mutex;
  std::map<std::pair<std::string, std::size_t>, int> heard;
  std::map<std::string, std::string> first;
  model.run(random_windows(3, 20), UINT64_MAX,
            [&](const Weight& weight, std::size_t, std::size_t window, MatrixView input) {
              const std::lock_guard lock(mutex);
              ++heard[{weight.group, window}];
              first[weight.group] = weight.role;
              EXPECT_EQ(input.rows, 20u);
              EXPECT_EQ(input.cols, model.stored.layout(weight.tensor).cols);
            });
  std::set<std::string> groups;
  for (const Block& block : model.spec.blocks)
    for (const std::size_t index : model.spec.weights_of(block))
      if (!model.spec.weights[index].group.empty()) groups.insert(model.spec.weights[index].group);
  EXPECT_EQ(groups.size(), 4 * 2 + 1u);
  EXPECT_EQ(heard.size(), groups.size() * 3);
  for (const auto& [key, times] : heard) EXPECT_EQ(times, 1) << key.first;
  EXPECT_EQ(first.at(model.spec.weights.at(model.spec.blocks.back().ops.back().weights[0]).group), "head");
}

TEST(BlockWalk, HookInputTimesWeightIsTheNextValue) {
  // The input of the head's group, multiplied by the head, gives the logits.
  WalkedModel model(tiny("tiny-mistral"));
  Matrix heard(20, 64);
  const Windows windows = random_windows(1, 20);
  model.run(windows, UINT64_MAX, [&](const Weight& weight, std::size_t, std::size_t, MatrixView input) {
    if (weight.role == "head")
      for (std::size_t i = 0; i < 20; ++i) std::ranges::copy(input.row(i), heard.row(i).begin());
  });
  const Matrix logits = model.logits(windows), head = model.stored.read("lm_head.weight");
  for (std::size_t v = 0; v < 96; ++v) {
    double sum = 0;
    for (std::size_t k = 0; k < 64; ++k) sum += double{heard.row(7)[k]} * head.row(v)[k];
    EXPECT_NEAR(logits.row(7)[v], sum, 1e-4);
  }
}

TEST(BlockWalk, HeadTileHasTheRowsAskedFor) {
  WalkedModel model(tiny("tiny-llama-linear"));
  EXPECT_EQ(head_tile(model.context(), 80, 16).inputs(), 64u);
  EXPECT_EQ(head_tile(model.context(), 80, 16).outputs(), 16u);
}

TEST(BlockWalk, IdsBeyondTheVocabularyAreNamed) {
  WalkedModel model(tiny("tiny-mistral"));
  const std::string message =
      message_of([&] { embed_windows(model.context(), {4, {1, 2, 3, 4, 5, 6, 96, 7}}, UINT64_MAX); });
  expect_contains(message, "token 2 of window 1 is 96");
  message_of([&] { embed_windows(model.context(), {1, {-1}}, UINT64_MAX); });
}

TEST(BlockWalk, NanWeightIsNamedWithItsBlock) {
  for (const float bad : {std::nanf(""), INFINITY}) {
    for (const char* role : {"attn.v", "mlp.down", "norm"}) {
      WalkedModel model(tiny("tiny-mistral"));
      const Block& block = model.spec.blocks[2];
      std::string tensor;
      for (const std::size_t index : model.spec.weights_of(block))
        if (model.spec.weights[index].role.find(role) != std::string::npos) tensor = model.spec.weights[index].tensor;
      ASSERT_FALSE(tensor.empty()) << role;
      model.weights.replace(tensor, with_value(model, tensor, 0, bad));
      ActivationStore hidden = embed_windows(model.context(), random_windows(2, 20), UINT64_MAX);
      run_block(model.context(), 1, hidden);
      const std::string message = message_of([&] { run_block(model.context(), 2, hidden); });
      expect_contains(message, "block " + block.name);
      expect_contains(message, "tensor " + tensor + " holds a NaN or infinity in row 0");
    }
  }
}

TEST(BlockWalk, OverflowOfFiniteWeightsIsSaid) {
  WalkedModel model(tiny("tiny-mistral"));
  const std::string tensor = first_tensor(model.spec, model.spec.blocks[1], "mlp.down");
  Matrix huge = model.stored.read(tensor);
  PackedTensor packed(*find_codec("f32"), model.stored.layout(tensor));
  for (std::size_t i = 0; i < huge.rows(); ++i) {
    for (float& v : huge.row(i)) v = 3e38f;
    encode_row(packed.codec(), huge.row(i), {}, packed.row(i));
  }
  model.weights.replace(tensor, std::move(packed));
  ActivationStore hidden = embed_windows(model.context(), random_windows(2, 20), UINT64_MAX);
  expect_contains(message_of([&] { run_block(model.context(), 1, hidden); }), "weights are finite");
}

TEST(BlockWalk, NanInEmbeddingAndHeadIsNamed) {
  WalkedModel model(tiny("tiny-mistral"));
  const std::string embedding = first_tensor(model.spec, model.spec.blocks.front(), "embed");
  model.weights.replace(embedding, with_value(model, embedding, 9, std::nanf("")));
  const std::string message = message_of([&] { embed_windows(model.context(), {3, {1, 9, 2}}, UINT64_MAX); });
  expect_contains(message, embedding + " holds a NaN or infinity, first in row 9");
  embed_windows(model.context(), {3, {1, 8, 2}}, UINT64_MAX);

  const std::string head = first_tensor(model.spec, model.spec.blocks.back(), "head");
  model.weights.replace(head, with_value(model, head, 77, INFINITY));
  expect_contains(message_of([&] { head_tile(model.context(), 60, 30); }), head);
}

TEST(BlockWalk, ReplacedTensorIsUsedAndTheBaseStaysAsItIs) {
  WalkedModel model(tiny("tiny-mistral"));
  const Windows windows = random_windows(2, 20);
  const std::vector<float> before = all_of(model.run(windows));
  const std::string tensor = first_tensor(model.spec, model.spec.blocks[1], "mlp.up");
  const Matrix weights = model.stored.read(tensor);
  PackedTensor packed(*find_codec("q8_0"), model.stored.layout(tensor));
  for (std::size_t i = 0; i < weights.rows(); ++i) encode_row(packed.codec(), weights.row(i), {}, packed.row(i));
  model.weights.replace(tensor, std::move(packed));
  const std::vector<float> during = all_of(model.run(windows));
  EXPECT_NE(before, during);
  for (std::size_t i = 0; i < before.size(); ++i) ASSERT_NEAR(before[i], during[i], 0.2);
  const WalkContext base{model.spec, model.stored, model.pool, Precision::kF32};
  ActivationStore again = embed_windows(base, windows, UINT64_MAX);
  for (std::size_t b = 1; b + 1 < model.spec.blocks.size(); ++b) run_block(base, b, again);
  run_head_norm(base, again);
  EXPECT_EQ(before, all_of(again));
}

}  // namespace
}  // namespace quern
