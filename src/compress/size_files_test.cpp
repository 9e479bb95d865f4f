// Sizes of every reference model in every container: predicted to the byte, never above the target, and full.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/fail.h"
#include "base/random.h"
#include "compress/tiny_package_fixture.h"
#include "encode/encode.h"
#include "format/formats.h"
#include "package/whole_head_fixture.h"
#include "plan/methods.h"
#include "plan/size_search.h"
#include "report/manifest.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr int kTargets = 20;
constexpr double kFullEnough = 0.995;
constexpr std::uint64_t kEntryBytes = 1024;  // that another format may take beside its tensors: padding, names, maps

struct Container {
  const char* format;
  const char* scheme;
};
constexpr Container kContainers[] = {{"gguf", "q4_k_m"}, {"safetensors", "simple"}, {"bitsandbytes", "nf4"}};

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& file : fs::directory_iterator(folder)) bytes += file.file_size();
  return bytes;
}

// Shares by a rule of thumb: a bit more quarters them, and matrices differ in how much they mind.
std::vector<StepOptions> made_up_shares(const OpenModel& model, const ExportMap& names, const Format& format,
                                        const Plan& plan, Reach reach) {
  Random random(1);
  std::vector<StepOptions> all;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Weight& weight = model.spec.weights[names.weights[i].weight];
    if (keeps_precision(weight)) continue;
    const Codec& stored = *find_codec(model.weights.stored(weight).encoding);
    const RowLayout layout = row_layout(names.weights[i].output_shape(weight));
    const double harm = std::exp(4 * random.uniform()) * static_cast<double>(layout.rows * layout.cols);
    StepOptions& options = all.emplace_back(StepOptions{i, {}});
    for (const Codec* codec : codecs_to_try(format, weight, names.weights[i], stored, {}, reach))
      if (!codec->is_measured())
        options.options.push_back({codec, codec->stored_bytes(layout.rows, layout.cols),
                                   codec == &stored ? 0 : harm * std::pow(4.0, -codec->bits_per_weight)});
  }
  return all;
}

struct SizedModel {
  const OpenModel& model;
  const Format& format;
  const Scheme& scheme;
  Reach reach = Reach::kScalar;
  ExportMap names = export_map(model, format);
  Plan base = make_plan({scheme, format, model.spec, names, model.weights, {}});
  std::vector<StepOptions> options = made_up_shares(model, names, format, base, reach);
  SizeRules rules = reach == Reach::kAll ? SizeRules{} : SizeRules{&format, couplings(format, model.spec, names)};

  std::uint64_t bytes_of(const Plan& plan) const {
    return package_bytes(whole_head(plan, names, model, scheme), find_format(plan.format), model.checkpoint);
  }
  CheckpointHead head_of(const Plan& plan) const { return whole_head(plan, names, model, scheme); }
  std::uint64_t least_bytes() const {
    return bytes_of(fit_plan(base, options, least_tensor_bytes(base, options, rules), rules)->plan);
  }
  SizedPlan search(std::uint64_t most) const {
    const auto count = [this](const Plan& plan) { return bytes_of(plan); };
    return search_size({base, options, most, count, model.file_bytes(), rules});
  }
};

// No matrix, or set of coupled ones, has a better format that would fit in what is left over and go with the others.
bool is_full(const SizedModel& sized, const SizedPlan& plan, std::uint64_t most) {
  const std::uint64_t left = most - plan.file_bytes;
  const std::vector<StoredTensor> tensors = stored_tensors(plan.plan);
  const auto goes_with_others = [&](const JointChoice& choice) {
    if (!sized.format.mixes) return true;
    std::vector<StoredTensor> changed = tensors;
    for (const auto& [member, option] : choice.members) {
      const StepOptions& of_step = sized.options[member];
      changed[of_step.step].encoding = of_step.options[option].codec->name;
    }
    return std::ranges::any_of(sized.format.mixes(), [&](const PackedMix& mix) { return mix.admits_all(changed); });
  };
  const SizeRules coupled{nullptr, sized.rules.couplings};
  const std::vector<std::vector<JointOptions>> any_mix = joint_options(sized.base, sized.options, coupled);
  for (const JointOptions& joint : any_mix.front()) {
    std::uint64_t now = 0;
    double loss = 0;
    const std::vector<MemberChoice>& members = joint[0].members;
    for (const MemberChoice& chosen : members) {
      now += plan.plan.steps[sized.options[chosen.member].step].bytes;
      loss += option_of(sized.options[chosen.member], plan.plan)->kld;
    }
    const std::uint64_t room = now + left, beside = kEntryBytes * members.size();
    for (const JointChoice& choice : joint)
      if (choice.kld < loss && choice.bytes + beside <= room && goes_with_others(choice)) return false;
  }
  return true;
}

void expect_loadable(const SizedModel& sized, const Plan& plan) {
  for (const Coupling& coupling : sized.rules.couplings)
    EXPECT_TRUE(is_kept(coupling, plan)) << describe(coupling, plan);
  EXPECT_EQ(loading_notes(plan, sized.format, sized.rules.couplings), std::vector<std::string>());
}

void expect_size_is_kept(const SizedModel& sized, std::uint64_t most, const SizedPlan& plan) {
  SCOPED_TRACE(fmt::format("at most {} bytes", most));
  EXPECT_LE(plan.file_bytes, most);
  expect_loadable(sized, plan.plan);
  const bool is_near = static_cast<double>(plan.file_bytes) >= kFullEnough * static_cast<double>(most);
  EXPECT_TRUE(is_near || is_full(sized, plan, most)) << plan.file_bytes << " bytes";
  const ScratchFolder scratch;
  sized.format.create(scratch.path(), sized.head_of(plan.plan));
  const std::uint64_t beside = plan.file_bytes - sized.format.file_bytes(sized.head_of(plan.plan));
  EXPECT_EQ(bytes_in(scratch.path()) + beside, plan.file_bytes);
}

// The package with everything in it, its weights really encoded.
void expect_package_has(const SizedModel& sized, const SizedPlan& plan) {
  ThreadPool pool(2);
  Observer observer;
  const ScratchFolder work;
  const fs::path folder = work.path() / "package";
  fs::create_directory(folder);
  const Inputs none;
  Report report;
  report.ladder.push_back({plan.plan, std::nullopt, 0});
  const std::vector<EncodedTensor> tensors =
      encode({sized.model.weights, sized.model.spec, sized.names, none, pool, observer}, plan.plan,
             sized.head_of(plan.plan), folder);
  report.parameters = sized.model.parameters();
  report.source_bytes = sized.model.file_bytes();
  for (const EncodedTensor& tensor : tensors)
    report.tensors.push_back({tensor.step, tensor.error, tensor_facts(tensor.weight)});
  const auto hashed = hash_files(sized.model.checkpoint, pool);
  assemble_package({work.path(), folder, folder, "", ""}, sized.model, sized.head_of(plan.plan).config, hashed, {},
                   report);
  EXPECT_EQ(report.output_bytes, plan.file_bytes);
  std::uint64_t evidence = fs::file_size(folder / kManifestName);
  for (const char* name : kEvidenceNames)
    if (fs::exists(folder / name)) evidence += fs::file_size(folder / name);
  std::uint64_t companions = 0;
  for (const HashedFile& file : read_manifest(folder).output_files)
    if (file.role == HashedFile::Role::kCompanion) companions += file.bytes;
  EXPECT_EQ(bytes_in(folder) - evidence - companions, plan.file_bytes);
  EXPECT_EQ(OpenModel(folder).parameters(), sized.model.parameters());
}

class SizesOf : public testing::TestWithParam<const char*> {
 protected:
  void expect_sizes_are_kept(const fs::path& path) {
    const OpenModel model(path);
    for (const Container& container : kContainers) {
      SCOPED_TRACE(container.format);
      const SizedModel sized{model, find_format(container.format), find_scheme(container.scheme)};
      const std::uint64_t least = sized.least_bytes(), original = model.file_bytes();
      ASSERT_LT(least, original);
      Random random(20);
      for (int i = 0; i < kTargets; ++i) {
        const std::uint64_t most = least + random.below(original - least + 1);
        const SizedPlan plan = sized.search(most);
        expect_size_is_kept(sized, most, plan);
        if (i == 0) expect_package_has(sized, plan);
      }
    }
  }
};

TEST_P(SizesOf, AreKeptToTheByte) {
  QUERN_NEEDS_SHARED(fmt::format("reference/{}", GetParam()));
  expect_sizes_are_kept(shared_folder() / "reference" / GetParam());
}

INSTANTIATE_TEST_SUITE_P(Reference, SizesOf,
                         testing::Values("llama-3m", "llama-7m", "llama-30m", "mamba-8m", "mixtral-moe15m"));

class SizesOfTheBundledModel : public SizesOf {};
TEST_P(SizesOfTheBundledModel, AreKeptToTheByte) {
  expect_sizes_are_kept(fs::path(QUERN_SOURCE_DIR) / "models" / GetParam());
}
// Vectors of weights, codebooks and grids among them: fine enough steps for a thousandth.
TEST(SizesOfAllFormats, AreFullToAThousandth) {
  const OpenModel model(fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const SizedModel sized{model, find_format("safetensors"), find_scheme("simple"), Reach::kAll};
  const std::uint64_t least = sized.least_bytes(), original = model.file_bytes();
  EXPECT_LT(least, original / 5) << "there are formats of 2 bits and fewer";
  std::set<std::string> methods;
  int near = 0;
  for (int i = 0; i < kTargets; ++i) {
    const std::uint64_t most = least * (100 + 10 * static_cast<std::uint64_t>(i + 1)) / 100;
    const SizedPlan plan = sized.search(most);
    EXPECT_LE(plan.file_bytes, most);
    const bool is_near = static_cast<double>(plan.file_bytes) >= 0.999 * static_cast<double>(most);
    near += is_near;
    EXPECT_GE(static_cast<double>(plan.file_bytes), 0.998 * static_cast<double>(most));
    const ScratchFolder scratch;
    sized.format.create(scratch.path(), sized.head_of(plan.plan));
    EXPECT_EQ(bytes_in(scratch.path()) + plan.file_bytes - sized.format.file_bytes(sized.head_of(plan.plan)),
              plan.file_bytes);
    for (const PlanStep& step : plan.plan.steps)
      if (const Method* method = method_of(*find_codec(step.codec))) methods.insert(method->name);
  }
  EXPECT_GE(near, kTargets - 2) << "full to a thousandth";
  EXPECT_TRUE(methods.contains("VPTQ") && methods.contains("SeedLM"));
}

INSTANTIATE_TEST_SUITE_P(Bundled, SizesOfTheBundledModel, testing::Values("llama-7m"));

}  // namespace
}  // namespace quern
