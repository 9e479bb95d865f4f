// One value under two spellings, axis expressions, and the words of messages.
#include "model/hyper_parameters.h"

#include <algorithm>

#include "model/llama_fixture.h"

namespace quern {
namespace {

constexpr HyperKey kWidth{"hidden_size", "embedding_length"}, kHeads{"num_heads", "attention.head_count"},
    kRate{"rate", "rate"}, kSwitch{"tied", "tied"}, kWord{"act", "act"}, kNowhere{"absent", "absent"};

FakeModel folder(Json config) { return {std::move(config), {}, {{"t", {2}}}}; }

FakeModel gguf() {
  FakeModel model{{}, {}, {{"t", {2}}}};
  model.metadata.set("general.architecture", "fake");
  model.metadata.set("fake.embedding_length", 48u);
  model.metadata.set("fake.attention.head_count", std::uint64_t{4});
  model.metadata.set("fake.rate", 0.5f);
  model.metadata.set("fake.tied", true);
  model.metadata.set("fake.act", "silu");
  return model;
}

Json config() {
  return Json::object({{"hidden_size", 48}, {"num_heads", 4}, {"rate", 0.5}, {"tied", true}, {"act", "silu"}});
}

TEST(HyperParameters, AreFoundInEitherSpelling) {
  const Checkpoint sources[] = {folder(config()).open(), gguf().open()};
  for (const Checkpoint& checkpoint : sources) {
    const HyperParameters p(checkpoint, "fake.", ConfigUse::kTrust);
    EXPECT_EQ(p.whole(kWidth), 48u);
    EXPECT_EQ(p.whole(kHeads), 4u);
    EXPECT_EQ(p.real(kRate), 0.5);
    EXPECT_EQ(p.flag(kSwitch), true);
    EXPECT_EQ(p.text(kWord), "silu");
    EXPECT_FALSE(p.whole(kNowhere) || p.real(kNowhere) || p.flag(kNowhere) || p.text(kNowhere));
  }
  using Source = HyperParameters::Source;
  EXPECT_EQ(HyperParameters(sources[0], "fake.", ConfigUse::kTrust).source(), Source::kTransformers);
  EXPECT_EQ(HyperParameters(sources[1], "fake.", ConfigUse::kTrust).source(), Source::kGguf);
}

TEST(HyperParameters, AKeyOfTheOtherSourceOnlyIsAbsent) {
  const Checkpoint of_folder = folder(config()).open(), of_gguf = gguf().open();
  EXPECT_FALSE(HyperParameters(of_folder, "fake.", ConfigUse::kTrust).whole({nullptr, "embedding_length"}));
  EXPECT_FALSE(HyperParameters(of_gguf, "fake.", ConfigUse::kTrust).whole({"hidden_size", nullptr}));
}

TEST(HyperParameters, AnIgnoredConfigurationSaysNothing) {
  for (const Checkpoint& checkpoint : {folder(config()).open(), gguf().open(), folder({}).open()}) {
    HyperParameters p(checkpoint, "fake.", ConfigUse::kIgnore);
    EXPECT_EQ(p.source(), HyperParameters::Source::kTensors);
    EXPECT_FALSE(p.whole(kWidth) || p.real(kRate) || p.flag(kSwitch) || p.text(kWord));
    p.extent("hidden", kWidth);
    EXPECT_FALSE(p.knows("hidden")) << "left for the tensors";
    EXPECT_EQ(std::string(p.place()), "the tensors");
  }
}

TEST(HyperParameters, NullIsAbsentAndAnotherKindIsNamed) {
  const Checkpoint checkpoint =
      folder(Json::object({{"hidden_size", nullptr}, {"num_heads", "four"}, {"rate", "fast"}, {"tied", 1}, {"act", 2}}))
          .open();
  const HyperParameters p(checkpoint, "fake.", ConfigUse::kTrust);
  EXPECT_FALSE(p.whole(kWidth));
  expect_input_error([&] { p.whole(kHeads); }, "while reading num_heads in config.json");
  expect_input_error([&] { p.real(kRate); }, "rate");
  expect_input_error([&] { p.flag(kSwitch); }, "tied");
  expect_input_error([&] { p.text(kWord); }, "act");
  FakeModel negative = gguf();
  negative.metadata.set("fake.embedding_length", -48);
  const Checkpoint of_gguf = negative.open();
  expect_input_error([&] { HyperParameters(of_gguf, "fake.", ConfigUse::kTrust).whole(kWidth); },
                     "the GGUF metadata says fake.embedding_length -48");
}

TEST(HyperParameters, AnExtentThatNothingSaysIsNamedAsItsSourceSpellsIt) {
  const Checkpoint of_folder = folder(Json::object()).open();
  HyperParameters p(of_folder, "fake.", ConfigUse::kTrust);
  p.extent("hidden", kWidth);
  EXPECT_FALSE(p.knows("hidden")) << "left for the tensors";
  expect_input_error([&] { static_cast<void>(p["hidden"]); },
                     "nothing says what the model's hidden is: config.json has no hidden_size, and no name or shape of "
                     "a tensor shows it");
  FakeModel bare = gguf();
  bare.metadata.erase("fake.embedding_length");
  const Checkpoint of_gguf = bare.open();
  HyperParameters q(of_gguf, "fake.", ConfigUse::kTrust);
  q.extent("hidden", kWidth);
  expect_input_error([&] { static_cast<void>(q["hidden"]); }, "the GGUF metadata has no fake.embedding_length");
  expect_input_error([&] { static_cast<void>(q["depth"]); },
                     "nothing says what the model's depth is: the tensors do not show it");
}

TEST(HyperParameters, ExtentsHaveLimits) {
  const Checkpoint checkpoint = folder(Json::object({{"hidden_size", 0}, {"num_heads", 65}})).open();
  HyperParameters p(checkpoint, "fake.", ConfigUse::kTrust);
  expect_input_error([&] { p.extent("hidden", kWidth); }, "config.json says hidden_size 0, which is outside 1..");
  expect_input_error([&] { p.extent("heads", kHeads, 64); }, "config.json says num_heads 65, which is outside 1..64");
  p.extent("heads", kHeads, 65);
  EXPECT_EQ(p["heads"], 65u);
}

TEST(HyperParameters, EveryValueLeavesItsEvidence) {
  const Checkpoint checkpoint = folder(config()).open();
  HyperParameters p(checkpoint, "fake.", ConfigUse::kTrust);
  p.extent("hidden", kWidth);
  p.extent("depth", kNowhere, 100);
  p.fall_back("depth", 7);
  p.fall_back("hidden", 7);
  p.state("twice", 96, "factor 2");
  p.infer("seen", 9, "t is [9]");
  p.assume("guessed", 11, "as always");
  EXPECT_EQ(p.real_or("rate of it", kRate, 3), 0.5);
  EXPECT_EQ(p.whole_or("count of it", kNowhere, 3), 3u);
  using enum Evidence::Kind;
  const std::vector<Evidence> expected = {{"hidden", "48", "config.json hidden_size", kStated},
                                          {"depth", "7", "assumed: config.json has no absent", kAssumed},
                                          {"twice", "96", "config.json factor", kStated},
                                          {"seen", "9", "t is [9]", kInferred},
                                          {"guessed", "11", "assumed: as always", kAssumed},
                                          {"rate of it", "0.5", "config.json rate", kStated},
                                          {"count of it", "3", "assumed: the family's usual value", kAssumed}};
  ASSERT_EQ(p.evidence().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(p.evidence()[i].property, expected[i].property);
    EXPECT_EQ(p.evidence()[i].value, expected[i].value);
    EXPECT_EQ(p.evidence()[i].source, expected[i].source);
    EXPECT_EQ(p.evidence()[i].kind, expected[i].kind) << expected[i].property;
  }
}

TEST(AxisExpressions, AreSumsOfProducts) {
  const Checkpoint checkpoint = folder(config()).open();
  HyperParameters p(checkpoint, "fake.", ConfigUse::kTrust);
  p.extent("hidden", kWidth);
  p.extent("heads", kHeads);
  p.infer("rank", 5, "");
  p.infer("state", 16, "");
  const std::pair<const char*, std::uint64_t> cases[] = {{"hidden", 48},           {"7", 7},
                                                         {"3*hidden", 144},        {"heads*hidden", 192},
                                                         {"rank+2*state", 37},     {"2*state+rank+1", 38},
                                                         {"heads*rank*state", 320}};
  for (const auto& [expression, value] : cases) EXPECT_EQ(p.axis(expression), value) << expression;
  expect_input_error([&] { p.axis("rank*inner"); }, "nothing says what the model's inner is");
  EXPECT_EQ(axis_factors("rank+2*state"), (std::vector<std::string_view>{"rank", "2", "state"}));
}

TEST(AxisExpressions, ClaimsNameEachExtentOnceAndAsItsSourceDoes) {
  const Checkpoint of_folder = folder(config()).open(), of_gguf = gguf().open();
  HyperParameters p(of_folder, "fake.", ConfigUse::kTrust);
  p.extent("hidden", kWidth);
  p.extent("heads", kHeads);
  EXPECT_EQ(p.claim("heads*hidden+2*hidden"), "config.json says num_heads 4 and hidden_size 48");
  HyperParameters q(of_gguf, "fake.", ConfigUse::kTrust);
  q.extent("hidden", kWidth);
  EXPECT_EQ(q.claim("3*hidden"), "the GGUF metadata says fake.embedding_length 48");
  HyperParameters r(of_folder, "fake.", ConfigUse::kIgnore);
  r.infer("hidden", 48, "t");
  EXPECT_EQ(r.claim("hidden"), "the tensors say hidden 48 (t)");
  p.infer("head_dim", 12, "t is [12]");
  EXPECT_EQ(p.claim("heads*head_dim"), "config.json says num_heads 4, and the tensors head_dim 12 (t is [12])");
}

}  // namespace
}  // namespace quern
