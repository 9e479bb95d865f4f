// Names with any number where a layer or an expert is counted, and with no other difference.
#include "model/family_names.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

TEST(FamilyNames, HaveAnyNumberInPlaceOfLayersAndExperts) {
  const FamilyNames names(
      {{"up", "moe.up", "mlp.experts.*.w3.weight", "ffn_up.weight", {}},
       {kEmbedKey, "embed", "embed.weight", "token_embd.weight", {}, "", "", TensorRow::Place::kModel},
       {kHeadKey, "head", "lm_head.weight", "output.weight", {}, "", "", TensorRow::Place::kModel}},
      {{"model.", ""}, "layers.", "embed.weight"});
  for (const char* name :
       {"model.layers.0.mlp.experts.17.w3.weight", "layers.9999999999.mlp.experts.0.w3.weight", "blk.3.ffn_up.weight",
        "model.embed.weight", "embed.weight", "token_embd.weight", "lm_head.weight", "output.weight"})
    EXPECT_TRUE(names.contains(name)) << name;
  for (const char* name : {"model.layers.0.mlp.experts.17.w4.weight", "model.layers.x.mlp.experts.17.w3.weight",
                           "model.layers..mlp.experts.17.w3.weight", "model.layers.*.mlp.experts.*.w3.weight",
                           "model.layers.1a.mlp.experts.17.w3.weight", "model.lm_head.weight", "blk.3.output.weight",
                           "model.embed.weight.", "3.embed.weight", ""})
    EXPECT_FALSE(names.contains(name)) << name;
}

}  // namespace
}  // namespace quern
