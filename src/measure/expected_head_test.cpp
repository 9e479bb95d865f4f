// Divergences from expected rows, against those from both models' logits.
#include "measure/expected_head.h"

#include "compress/tiny_package_fixture.h"
#include "encode/weight_rows.h"
#include "model/replaced_weights.h"
#include "package/package.h"

namespace quern {
namespace {

// Nats, of two sums in another order: 5.3e-6 with AVX2 alone, below 2e-6 with AVX-512.
constexpr double kRounding = 1e-5;

class ExpectedHeads : public ::testing::TestWithParam<Precision> {};

TEST_P(ExpectedHeads, EqualComparisonsOfLogits) {
  const Precision precision = GetParam();
  if (precision == Precision::kBf16 && best_precision() != Precision::kBf16)
    GTEST_SKIP() << "this processor multiplies no bfloat16";
  const OpenModel model(std::filesystem::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  ThreadPool pool(2);
  Observer observer;
  const Windows windows = random_windows(4, 64);
  const WalkContext original = model.walk(pool, precision);
  const ActivationStore rows = final_hidden(original, windows, UINT64_MAX / 4, observer);
  const ExpectedHead head(original, rows, original, windows, UINT64_MAX / 4);
  EXPECT_NEAR(head.mean_kld(original, rows), 0, kRounding);
  for (const char* codec : {"q8_0", "q4_0", "int4_g128"}) {
    ReplacedWeights changed(model.weights);
    for (const Weight& weight : model.spec.weights)
      if (weight.role == "mlp.down" && find_codec(codec)->divides(weight.layout().cols))
        changed.replace(weight.tensor, encode_in_memory(model.weights, weight, *find_codec(codec),
                                                        find_optimizer("rtn"), Inputs(), pool));
    const WalkContext candidate{model.spec, changed, pool, precision};
    const ActivationStore other = final_hidden(candidate, windows, UINT64_MAX / 4, observer);
    const double kld = mean_kld(compare(original, rows, candidate, other, windows));
    EXPECT_GT(kld, 1e-4);
    EXPECT_NEAR(head.mean_kld(candidate, other), kld, kRounding + 1e-4 * kld) << codec;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, ExpectedHeads, ::testing::Values(Precision::kF32, Precision::kBf16));

}  // namespace
}  // namespace quern
