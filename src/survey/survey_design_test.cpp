// Which matrices are measured as one, by the size of the model and a person's wish.
#include "survey/survey_design.h"

#include <algorithm>
#include <set>

#include "compress/tiny_package_fixture.h"
#include "format/formats.h"
#include "package/package.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct Llama7m {
  OpenModel model{fs::path(QUERN_SOURCE_DIR) / "models" / "llama-7m"};
  ExportMap names = export_map(model, find_format("gguf"));

  const Weight& weight(std::size_t step) const { return model.spec.weights[names.weights[step].weight]; }
  std::size_t matrices() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < names.weights.size(); ++i) count += !keeps_precision(weight(i));
    return count;
  }
  SurveyDesign design(const SurveyLimits& limits) const { return design_survey(model.spec, names, limits); }

  void expect_every_matrix_once(const SurveyDesign& design) const {
    std::set<std::size_t> seen;
    for (const StepGroup& group : design.groups)
      for (const std::size_t step : group) EXPECT_TRUE(seen.insert(step).second) << step;
    EXPECT_EQ(seen.size(), matrices());
  }
};

TEST(SurveyDesign, MeasuresEveryMatrixOfASmallModelByItself) {
  const Llama7m f;
  const SurveyDesign design = f.design({.windows = 40, .length = 512});
  f.expect_every_matrix_once(design);
  EXPECT_FALSE(design.is_banded);
  EXPECT_EQ(design.groups.size(), f.matrices());
  EXPECT_EQ(design.windows, kSurveyWindows);
  EXPECT_EQ(f.design({.windows = 5, .length = 512}).windows, 5u);
}

TEST(SurveyDesign, PutsNeighbouringLayersTogetherForFewerPasses) {
  const Llama7m f;
  const SurveyDesign design = f.design({.windows = 40, .length = 512, .passes = 20});
  f.expect_every_matrix_once(design);
  EXPECT_TRUE(design.is_banded);
  EXPECT_LE(design.groups.size(), 20u);
  EXPECT_EQ(design.windows, kSurveyWindows) << "who asks for a number of passes has them on all windows";
  for (const StepGroup& group : design.groups) {
    std::set<std::string> roles;
    std::set<std::int32_t> layers;
    for (const std::size_t step : group) {
      roles.insert(f.weight(step).role);
      EXPECT_TRUE(layers.insert(f.weight(step).layer).second);
    }
    EXPECT_EQ(roles.size(), 1u);
    EXPECT_EQ(*layers.rbegin() - *layers.begin() + 1, static_cast<std::int32_t>(layers.size())) << "neighbours";
  }
}

// The work is that of a model many times as large: windows so long that each costs as much.
TEST(SurveyDesign, SavesPassesAndWindowsWhereTheModelIsLarge) {
  const Llama7m f;
  const SurveyDesign large = f.design({.windows = 40, .length = 32768}),
                     huge = f.design({.windows = 40, .length = 1 << 22});
  for (const SurveyDesign* design : {&large, &huge}) {
    f.expect_every_matrix_once(*design);
    EXPECT_TRUE(design->is_banded);
    EXPECT_GE(design->bands, 4u);
    EXPECT_GE(design->windows, 4u);
  }
  EXPECT_LT(huge.windows, kSurveyWindows);
  EXPECT_LE(huge.groups.size(), large.groups.size());
}

// Experts that no token passes cost nothing: more of them leave as many bands.
TEST(SurveyDesign, CountsTheExpertsThatATokenPasses) {
  OpenModel model(tiny("tiny-mixtral"));
  const ExportMap names = export_map(model, find_format("gguf"));
  const SurveyLimits limits{.windows = 12, .length = std::size_t{1} << 23};
  const SurveyDesign some = design_survey(model.spec, names, limits);
  for (Block& block : model.spec.blocks)
    for (Op& op : block.ops)
      if (auto* experts = std::get_if<ExpertsOp>(&op.kind)) experts->used = 1;
  const SurveyDesign fewer = design_survey(model.spec, names, limits);
  EXPECT_LT(some.windows, fewer.windows);
}

TEST(SurveyDesign, RefusesFewerPassesThanKindsOfMatrices) {
  const Llama7m f;
  const std::string message =
      message_of(ErrorCode::kUsage, [&] { f.design({.windows = 40, .length = 512, .passes = 3}); });
  expect_parts(message, {"`survey_passes` 3", "give at least 8"});
  EXPECT_EQ(f.design({.windows = 40, .length = 512, .passes = 8}).groups.size(), 8u);
}

}  // namespace
}  // namespace quern
