// Each fact arrives at the tensor that it is of.
#include "report/tensor_facts.h"

#include "base/fail.h"
#include "compress/tiny_package_fixture.h"

namespace quern {
namespace {

TEST(TensorFacts, TellWhereInTheModelATensorIs) {
  const OpenModel model(tiny("tiny-llama-bias"));
  const ExportMap names = map_to_gguf(model.spec, model.checkpoint);
  std::size_t queries = 0;
  for (const ExportedWeight& exported : names.weights) {
    const std::string& name = exported.name;
    const TensorFacts facts = tensor_facts(model.spec.weights[exported.weight]);
    EXPECT_EQ(facts.layer >= 0, name.starts_with("blk.")) << name;
    EXPECT_EQ(facts.kind == TensorFacts::Kind::kKept, name.find("norm") != name.npos || name.ends_with(".bias"));
    EXPECT_FALSE(facts.kld || facts.predicted_kld);
    if (!name.ends_with("attn_q.weight")) continue;
    EXPECT_EQ(facts.role, "attn.q");
    EXPECT_EQ(name, fmt::format("blk.{}.attn_q.weight", facts.layer));
    ++queries;
  }
  EXPECT_EQ(queries, model.spec.extent("layers"));
}

TEST(TensorFacts, KeepWhatWasMeasuredAndPredicted) {
  const Codec &three = *find_codec("q3_k"), &six = *find_codec("q6_k");
  Plan plan;
  for (const char* codec : {"q4_k", "q6_k", "q6_k"}) plan.steps.push_back({.codec = codec});
  TensorFacts measured, unmeasured, harmful;
  add_survey_facts({1, {{&three, 30, 0.3}, {&six, 60, 0.1}}, &three, 0.4}, plan, measured);
  EXPECT_EQ(measured.predicted_kld, 0.1);
  EXPECT_EQ(measured.kld, 0.4);
  EXPECT_EQ(measured.measured_codec, "q3_k");
  add_survey_facts({2, {{&six, 60, 0.0}}}, plan, unmeasured);
  EXPECT_EQ(unmeasured.predicted_kld, 0.0);
  EXPECT_FALSE(unmeasured.kld);
  add_harm_facts({0, 0.7}, plan, harmful);
  EXPECT_EQ(harmful.kld, 0.7);
  EXPECT_EQ(harmful.measured_codec, "q4_k");
  EXPECT_FALSE(harmful.predicted_kld);
}

}  // namespace
}  // namespace quern
