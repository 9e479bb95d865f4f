// Error feedback of codecs whose vectors run along the outputs, on rows enough for their codebooks.
#include <gtest/gtest.h>

#include "optim/feedback.h"
#include "optim/hessian_fixture.h"
#include "optim/optimizer.h"

namespace quern {
namespace {

constexpr std::size_t kRows = 250, kCols = 256;  // a stripe of 3, 4 or 8 is filled up

struct Case {
  Matrix rows{kRows, kCols};
  InputContext inputs;

  Case() {
    Random random(3);
    for (float& value : rows.flat()) value = static_cast<float>(random.normal() * 0.02);
    const std::vector<float> upper = hessian_of(correlated_inputs(kCols / 2, kCols, 1));
    const std::vector<double> h = full(upper, kCols);
    std::vector<double> moments;
    for (std::size_t c = 0; c < kCols; ++c) moments.push_back(h[c * kCols + c]);
    inputs = input_context(moments, factorise({kCols, 1000 * kCols, upper}));
  }

  double error(const char* optimizer, const Codec& codec, std::span<const float> importance) const {
    PackedTensor packed(trained_on(codec, rows.view(), importance), {kRows, kCols});
    find_optimizer(optimizer).encode(inputs, rows.view(), packed);
    return measure_error(rows.view(), inputs, packed).output;
  }
};

TEST(VptqFeedback, LosesLessThanRounding) {
  const Case known;
  for (const char* name : {"vptq_v2_k16", "vptq_v3_k64", "vptq_v4_k256", "vptq_v2_k64", "vptq_v8_k256"}) {
    const Codec& codec = *find_codec(name);
    const double plain = known.error("rtn", codec, {}), weighted = known.error("rtn", codec, known.inputs.importance),
                 feedback = known.error("ldlq", codec, known.inputs.importance);
    EXPECT_LT(feedback, 0.8 * weighted) << name;
    EXPECT_LT(feedback, 0.7 * plain) << name;
  }
}

}  // namespace
}  // namespace quern
