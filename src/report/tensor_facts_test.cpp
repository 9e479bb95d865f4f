// Each fact arrives at the tensor that it is of.
#include "report/tensor_facts.h"

#include "base/fail.h"
#include "compress/tiny_package_fixture.h"

namespace quern {
namespace {

TEST(TensorFacts, TellWhereInTheModelATensorIs) {
  const OpenModel model(tiny("tiny-llama-bias"));
  const ExportMap names = map_to_gguf(model.spec, model.checkpoint);
  const std::vector<TensorFacts> facts = tensor_facts(model.spec, names);
  ASSERT_EQ(facts.size(), names.weights.size());
  std::size_t queries = 0;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    const std::string& name = names.weights[i].name;
    EXPECT_EQ(facts[i].layer >= 0, name.starts_with("blk.")) << name;
    EXPECT_EQ(facts[i].kind == TensorFacts::Kind::kKept, name.find("norm") != name.npos || name.ends_with(".bias"));
    EXPECT_FALSE(facts[i].kld || facts[i].predicted_kld);
    if (!name.ends_with("attn_q.weight")) continue;
    EXPECT_EQ(facts[i].role, "attn.q");
    EXPECT_EQ(name, fmt::format("blk.{}.attn_q.weight", facts[i].layer));
    ++queries;
  }
  EXPECT_EQ(queries, model.spec.extent("layers"));
}

TEST(TensorFacts, KeepWhatWasMeasuredAndPredicted) {
  const Codec &three = *find_codec("q3_k"), &six = *find_codec("q6_k");
  std::vector<TensorFacts> facts(3);
  const StepOptions measured{1, {{&six, 60, 0.1}}, &three, 0.4}, unmeasured{2, {{&six, 60, 0.0}}};
  add_survey_facts(std::vector{measured, unmeasured}, std::vector<double>{0, 0.1, 0}, facts);
  EXPECT_FALSE(facts[0].predicted_kld);
  EXPECT_EQ(facts[1].predicted_kld, 0.1);
  EXPECT_EQ(facts[1].kld, 0.4);
  EXPECT_EQ(facts[1].measured_codec, "q3_k");
  EXPECT_EQ(facts[2].predicted_kld, 0.0);
  EXPECT_FALSE(facts[2].kld);

  Plan plan;
  for (const char* codec : {"q4_k", "q5_k", "q6_k"}) plan.steps.push_back({.codec = codec});
  add_harm_facts(std::vector<StepHarm>{{0, 0.7}}, plan, facts);
  EXPECT_EQ(facts[0].kld, 0.7);
  EXPECT_EQ(facts[0].measured_codec, "q4_k");
}

}  // namespace
}  // namespace quern
