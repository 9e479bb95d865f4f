// Every family of models by every kind of scheme: the package opens, decodes within its formats' errors, and computes
// nearly what the original does.
#include <algorithm>
#include <map>

#include "checkpoint/edited_copy_fixture.h"
#include "compress/small_tokenizer_fixture.h"
#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "package/verify.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct Notes : Observer {
  std::vector<std::string> said;
  void note(std::string_view text) override { said.emplace_back(text); }
};

bool any_has(const std::vector<std::string>& notes, std::string_view part) {
  return std::ranges::any_of(notes, [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

struct Family {
  const char* name;
  const char* fixture;     // in testdata
  const char* simple_as;   // the scheme that `simple` becomes
  const char* unpackable;  // part of the names of the matrices that safetensors cannot pack; null: it packs all
};

const Family kFamilies[] = {{"Llama", "runtime/tiny-llama-bias", "simple", nullptr},
                            {"Qwen3", "model/tiny-qwen3", "simple", nullptr},
                            {"Bitnet", "runtime/tiny-bitnet", "simple", nullptr},
                            {"Gpt2", "model/tiny-gpt2", "q8_0", ".c_"},
                            {"Mamba", "model/tiny-mamba", "simple", nullptr},
                            {"Mixtral", "model/tiny-mixtral", "simple", nullptr},
                            {"MixtralStacked", "runtime/tiny-mixtral-stacked", "q8_0", "mlp.experts"}};

struct SchemeLimits {
  const char* scheme;
  double error;  // of a tensor, relative to its energy: 8 bits lose less than 1e-4 of a Gaussian's, 4 bits 1%
  double kld;    // nats; high, since these models have a few thousand random weights, and a mixture takes other experts
};

constexpr SchemeLimits kSchemes[] = {{"simple", 3e-4, 0.03},    {"int8", 3e-4, 0.03}, {"mixed", 3e-4, 0.01},
                                     {"mixed-int4", 0.03, 1.2}, {"nf4", 0.03, 1.2},   {"q4_k_m", 0.03, 1.2}};

class Families : public testing::TestWithParam<Family> {
 protected:
  ScratchFolder scratch;
  const fs::path source = convertible_copy(fs::path(QUERN_TESTDATA) / GetParam().fixture, scratch);

  Report compressed(const std::string& scheme, Observer& observer) {
    CompressOptions options;
    options.input = source;
    options.output = scratch.path() / scheme;
    options.scheme = scheme;
    options.machine.threads = 2;
    return compress(options, observer);
  }
};

TEST_P(Families, WorkInEveryScheme) {
  for (const SchemeLimits& limits : kSchemes) {
    SCOPED_TRACE(limits.scheme);
    Notes observer;
    const Report report = compressed(limits.scheme, observer);
    const fs::path out = scratch.path() / limits.scheme;
    const VerifyResult verified =
        verify_package({.package = out, .original = source, .stride = 1, .machine = {.threads = 2}}, observer);
    EXPECT_EQ(verified.problems, std::vector<std::string>{});
    EXPECT_EQ(verified.compared, report.tensors.size());
    for (const ReportedTensor& tensor : report.tensors)
      EXPECT_LT(tensor.error.relative_plain(), limits.error) << tensor.step.tensor;
    EXPECT_LT(divergence(source, out), limits.kld);
  }
}

TEST_P(Families, TakeTheSubstituteOfSimpleWhereItsContainerCannotPackThem) {
  Notes observer;
  const Report report = compressed("simple", observer);
  EXPECT_EQ(report.ladder.back().plan.scheme, std::string(GetParam().simple_as));
  const bool other = GetParam().simple_as != std::string("simple");
  EXPECT_EQ(any_has(report.notes, "q8_0 instead of simple, since "), other);
  EXPECT_EQ(any_has(observer.said, "q8_0 instead of simple, since "), other);
}

class UnpackableFamilies : public Families {};

TEST_P(UnpackableFamilies, KeepSixteenBitsWithANoteWhereASchemeHasNoSubstitute) {
  for (const char* scheme : {"mixed-int4", "nf4"}) {
    Notes observer;
    const Report report = compressed(scheme, observer);
    const Checkpoint before = open_checkpoint(source), after = open_checkpoint(scratch.path() / scheme);
    std::size_t kept = 0;
    for (const PlanStep& step : report.ladder.back().plan.steps) {
      if (step.tensor.find(GetParam().unpackable) == std::string::npos || step.tensor.ends_with("bias")) continue;
      const TensorEntry &was = before.at(step.tensor), &is = after.at(step.output);
      EXPECT_EQ(is.encoding, was.encoding == kFloat32 ? "bf16" : was.encoding) << step.tensor;
      EXPECT_EQ(is.shape, was.shape) << step.tensor;
      EXPECT_TRUE(any_has(report.notes, step.tensor + ": " + is.encoding + " instead of ")) << step.tensor;
      EXPECT_TRUE(any_has(observer.said, step.tensor)) << step.tensor;
      const bool unchanged = read_part(after, step.output) == read_part(before, step.tensor);
      EXPECT_EQ(unchanged, is.encoding == was.encoding) << step.tensor;
      ++kept;
    }
    EXPECT_GE(kept, 4u);
  }
}

std::vector<Family> unpackable_families() {
  std::vector<Family> some;
  std::ranges::copy_if(kFamilies, std::back_inserter(some), [](const Family& family) { return family.unpackable; });
  return some;
}

const auto kFamilyName = [](const auto& family_info) { return family_info.param.name; };
INSTANTIATE_TEST_SUITE_P(, Families, testing::ValuesIn(kFamilies), kFamilyName);
INSTANTIATE_TEST_SUITE_P(, UnpackableFamilies, testing::ValuesIn(unpackable_families()), kFamilyName);

TEST(SchemeChoice, StaysWhereTheContainerOfTheSubstituteCannotHoldTheModelEither) {
  const ScratchFolder scratch;
  const fs::path source = tiny("tiny-gpt2");  // scales attention by layer, which GGUF has no key for
  const Report report = compress_tiny(source, scratch.path() / "out");
  EXPECT_EQ(report.ladder.back().plan.scheme, "simple");
  EXPECT_TRUE(any_has(report.notes, "mlp.c_fc.weight: bf16 instead of int8_channel in safetensors: it is stored as "));
  EXPECT_LT(divergence(source, scratch.path() / "out"), 0.03);
}

TEST(SchemeChoice, DecidesNothingWhereAContainerIsAskedFor) {
  const ScratchFolder scratch;
  CompressOptions options;
  options.input = convertible_copy(fs::path(QUERN_TESTDATA) / "model/tiny-gpt2", scratch);
  options.output = scratch.path() / "out";
  options.format = "safetensors";
  Observer observer;
  const Report report = compress(options, observer);
  EXPECT_EQ(report.ladder.back().plan.scheme, "simple");
  EXPECT_TRUE(any_has(report.notes, "instead of int8_channel in safetensors: it is stored as inputs by outputs"));
}

}  // namespace
}  // namespace quern
