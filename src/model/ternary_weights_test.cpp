// Matrices of three values are told from all others.
#include "model/ternary_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "base/scalars.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "model/replaced_weights.h"

namespace quern {
namespace {

// One matrix of a tiny model, its values made anew.
std::optional<TernaryForm> form_of(const std::function<float(std::size_t row, std::size_t col)>& value,
                                   const char* encoding = "f32", const char* model = "tiny-bitnet") {
  const Checkpoint checkpoint = open_checkpoint(std::filesystem::path(QUERN_TESTDATA) / "runtime" / model);
  const ModelSpec spec = describe_model(checkpoint);
  const CheckpointWeights stored(checkpoint);
  const Weight& weight =
      *std::ranges::find_if(spec.weights, [](const Weight& w) { return w.role == "attn.q" || w.role == "attn.qkv"; });
  Matrix values(weight.layout().rows, weight.layout().cols);
  for (std::size_t i = 0; i < values.rows(); ++i)
    for (std::size_t k = 0; k < values.cols(); ++k) values.row(i)[k] = value(i, k);
  ReplacedWeights changed(stored);
  changed.replace(weight.tensor, encode_tensor(*find_codec(encoding), values.view()));
  return find_ternary(changed, weight);
}

float trit(std::size_t row, std::size_t col) { return static_cast<float>((row * 7 + col * col) % 3) - 1; }

TEST(TernaryWeights, OneScaleATensorThatBinary16Holds) {
  const auto form = form_of([](auto i, auto k) { return 0.375f * trit(i, k); });
  ASSERT_TRUE(form);
  EXPECT_EQ(form->scale, TernaryForm::Scale::kTensor);
  EXPECT_EQ(form->deviation, 0);
  EXPECT_EQ(form->f16_error, 0);
}

TEST(TernaryWeights, AScaleThatBinary16RoundsSaysByHowMuch) {
  const float scale = 0.1f;
  const auto form = form_of([&](auto i, auto k) { return scale * trit(i, k); });
  ASSERT_TRUE(form);
  EXPECT_NEAR(form->f16_error, std::abs(f16_to_f32(f32_to_f16(scale)) - scale) / scale, 1e-9);
  EXPECT_GT(form->f16_error, 1e-5);
}

TEST(TernaryWeights, OneScaleARow) {
  const auto form = form_of([](auto i, auto k) { return (i % 2 ? 0.5f : 0.25f) * trit(i, k); });
  ASSERT_TRUE(form);
  EXPECT_EQ(form->scale, TernaryForm::Scale::kRow);
}

TEST(TernaryWeights, RowsOfZerosAreAllowedAndNothingElseIsNone) {
  EXPECT_TRUE(form_of([](auto i, auto k) { return i < 5 ? 0.0f : 0.5f * trit(i, k); }));
  EXPECT_FALSE(form_of([](auto, auto) { return 0.0f; }));
}

TEST(TernaryWeights, SmallDeviationsAreToldFromLargeOnes) {
  const auto with = [](float share) {
    return form_of(
        [=](auto i, auto k) { return (i == 3 && k == 3 ? 0.5f * (1 + share) : 0.5f) * (trit(i, k) + 0.0f); });
  };
  ASSERT_NE(trit(3, 3), 0);
  ASSERT_TRUE(with(1e-3f));
  EXPECT_NEAR(with(1e-3f)->deviation, 5e-4, 1e-5);
  EXPECT_FALSE(with(3e-3f));
}

TEST(TernaryWeights, OrdinaryMatricesAndThoseWithNanAreNone) {
  EXPECT_FALSE(form_of([](auto i, auto k) { return std::sin(static_cast<float>(i * 48 + k)); }));
  EXPECT_FALSE(form_of([](auto i, auto k) { return i == 40 && k == 40 ? std::nanf("") : trit(i, k); }));
  EXPECT_FALSE(form_of([](auto i, auto k) { return i == 40 && k == 40 ? INFINITY : trit(i, k); }));
}

TEST(TernaryWeights, OfAWholeModelByIndex) {
  const Checkpoint checkpoint = open_checkpoint(std::filesystem::path(QUERN_TESTDATA) / "runtime/tiny-gpt2");
  const ModelSpec spec = describe_model(checkpoint);
  const CheckpointWeights stored(checkpoint);
  ThreadPool pool(2);
  EXPECT_TRUE(find_ternary(stored, spec, pool).empty());
  EXPECT_TRUE(form_of(trit, "f32", "tiny-gpt2"));  // stored as inputs by outputs
}

}  // namespace
}  // namespace quern
