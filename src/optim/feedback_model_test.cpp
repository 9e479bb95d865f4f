// Error feedback on a layer of a real model, with the Hessian of inputs that it really has.
#include <gtest/gtest.h>

#include "calib/collect_hessians.h"
#include "calib/hessian_store.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "optim/feedback.h"
#include "optim/optimizer.h"
#include "runtime/open_model.h"
#include "tokenizer/texts.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// A down projection of the bundled model and what is known of its inputs on a few windows of text.
struct Layer {
  Matrix weights;
  InputContext inputs;

  Layer() {
    const OpenModel model(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
    const auto weight = std::ranges::find(model.spec.weights, "model.layers.1.mlp.down_proj.weight", &Weight::tensor);
    const Windows windows = make_windows(load_tokenizer(model.checkpoint),
                                         load_text(fs::path(QUERN_SOURCE_DIR) / "texts" / "calib.txt"), 256, 24);
    const ScratchFolder scratch;
    ThreadPool pool(2);
    Observer observer;
    const HessianIdentity identity = hessian_identity("llama-7m", windows, Precision::kF32);
    HessianWriter writer(scratch.path(), identity);
    collect_hessians(model.walk(pool, Precision::kF32), windows, {.groups = {weight->group}}, writer, observer);
    const HessianStore store(scratch.path(), identity);
    const Hessian hessian = *store.read(weight->group);
    weights = model.weights.read(*weight);
    inputs = input_context(store.read_moments(weight->group)->mean_square, factorise(hessian));
  }

  double error_of(const Codec& codec, FeedbackOptions::Fit fit) const {
    PackedTensor packed(codec, {weights.rows(), weights.cols()});
    encode_with_feedback(*inputs.hessian, weights.view(), inputs.importance, packed, {.fit = fit});
    return measure_error(weights.view(), inputs, packed).output;
  }
};

// Scales that see the weights as they are to be rounded are better than those of the weights as they were.
TEST(FeedbackOfALayer, FitsAgainAtEachBlock) {
  const Layer layer;
  for (const char* name : {"q4_k", "q3_k", "q2_k", "q4_0", "iq4_xs", "int4_g32", "mxfp4"}) {
    const Codec& codec = *find_codec(name);
    if (!codec.divides(layer.weights.cols())) continue;
    EXPECT_LT(layer.error_of(codec, FeedbackOptions::Fit::kAtEachBlock),
              layer.error_of(codec, FeedbackOptions::Fit::kOnce))
        << name;
  }
}

}  // namespace
}  // namespace quern
