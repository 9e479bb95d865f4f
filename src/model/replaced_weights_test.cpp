// Some weights from memory, the others from the base.
#include "model/replaced_weights.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "quern/error.h"

namespace quern {
namespace {

struct Model {
  Checkpoint checkpoint;
  ModelSpec spec = describe_model(checkpoint);
  CheckpointWeights weights{checkpoint};

  explicit Model(const char* name)
      : checkpoint(open_checkpoint(std::filesystem::path(QUERN_TESTDATA) / "runtime" / name)) {}
  const Weight& first(const char* role) const { return *std::ranges::find(spec.weights, role, &Weight::role); }
};

// Every value plus one, as float.
PackedTensor raised(const Weights& weights, const Weight& weight) {
  Matrix values = weights.read(weight);
  for (float& value : values.flat()) value += 1;
  PackedTensor packed(*find_codec("f32"), weight.layout());
  for (std::size_t i = 0; i < values.rows(); ++i) encode_row(packed.codec(), values.row(i), {}, packed.row(i));
  return packed;
}

// Plain, transposed, and of several tensors.
TEST(ReplacedWeights, AreReadInPlaceOfTheBaseOnesWhateverWayThoseAreStored) {
  for (const auto& [name, role] :
       {std::pair("tiny-mamba", "ssm.in"), std::pair("tiny-gpt2", "attn.qkv"), std::pair("tiny-mixtral", "moe.gate")}) {
    const Model model(name);
    const Weight& weight = model.first(role);
    const PackedTensor packed = raised(model.weights, weight);
    ReplacedWeights changed(model.weights);
    EXPECT_EQ(changed.identity(), "");
    changed.replace(weight.tensor, packed);
    EXPECT_TRUE(changed.replaces(weight.tensor));
    const Matrix before = model.weights.read(weight), after = changed.read(weight);
    for (std::size_t i = 0; i < before.flat().size(); ++i) ASSERT_EQ(after.flat()[i], before.flat()[i] + 1) << role;

    EXPECT_EQ(changed.stored(weight).encoding, "f32");
    EXPECT_EQ(changed.stored(weight).shape, model.weights.stored(weight).shape);
    const RowLayout stored = row_layout(changed.stored(weight).shape);
    Matrix a(stored.rows, stored.cols), b(stored.rows, stored.cols);
    model.weights.read_stored_rows(weight, 0, a.view());
    changed.read_stored_rows(weight, 0, b.view());
    for (std::size_t i = 0; i < a.flat().size(); ++i) ASSERT_EQ(b.flat()[i], a.flat()[i] + 1) << role;

    ASSERT_EQ(changed.packed_runs(weight).size(), 1u);
    const std::vector<PackedTensor> pieces = changed.read_packed(weight);
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_TRUE(std::ranges::equal(pieces[0].plane(0), packed.plane(0)));
    for (const Weight& other : model.spec.weights) {
      if (other.tensor == weight.tensor) continue;
      EXPECT_TRUE(std::ranges::equal(changed.read(other).flat(), model.weights.read(other).flat())) << other.tensor;
    }
  }
}

TEST(ReplacedWeights, AreNamedByTheirBytesOverAnyBase) {
  const Model model("tiny-mistral");
  const Weight &up = model.first("mlp.up"), &down = model.first("mlp.down");
  ReplacedWeights first(model.weights);
  first.replace(up.tensor, raised(model.weights, up));
  ReplacedWeights second(first), again(first), other(first);
  second.replace(down.tensor, raised(model.weights, down));
  again.replace(down.tensor, raised(model.weights, down));
  other.replace(down.tensor, raised(second, down));
  EXPECT_NE(first.identity().find(up.tensor), std::string::npos);
  EXPECT_NE(second.identity().find(up.tensor), std::string::npos);
  EXPECT_NE(second.identity().find(down.tensor), std::string::npos);
  EXPECT_EQ(second.identity(), again.identity());
  EXPECT_NE(second.identity(), other.identity());
  EXPECT_TRUE(std::ranges::equal(second.read(up).flat(), first.read(up).flat()));
  EXPECT_EQ(second.name(), model.weights.name());
}

TEST(ReplacedWeights, OfOtherExtentsAreRefused) {
  const Model model("tiny-mistral");
  const Weight &up = model.first("mlp.up"), &down = model.first("mlp.down");
  ReplacedWeights changed(model.weights);
  changed.replace(up.tensor, raised(model.weights, down));
  EXPECT_THROW(changed.read(up), Error);
  Matrix beyond(2, down.layout().cols);
  changed.replace(down.tensor, raised(model.weights, down));
  EXPECT_THROW(changed.read_rows(down, down.layout().rows - 1, beyond.view()), Error);
}

}  // namespace
}  // namespace quern
