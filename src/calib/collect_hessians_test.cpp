// Collected Hessians of small models against plain sums in double of what the walk reports, and that they do not depend
// on threads, memory and interruptions.
#include "calib/collect_hessians.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "base/cpu.h"
#include "calib/collect.h"
#include "calib/hessian_store.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "runtime/golden_model_fixture.h"

namespace quern {
namespace {

constexpr const char* kModel = "model";

std::filesystem::path tiny(const std::string& name) { return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name; }

HessianIdentity identity_of(const Windows& windows, Precision precision = Precision::kF32) {
  return hessian_identity(kModel, windows, precision, "calib.txt");
}

HessianStore collect(WalkedModel& model, const Windows& windows, const std::filesystem::path& folder,
                     const HessianOptions& options = {}, Precision precision = Precision::kF32) {
  WalkContext context = model.context();
  context.precision = precision;
  HessianWriter writer(folder, identity_of(windows, precision));
  Observer observer;
  collect_hessians(context, windows, options, writer, observer);
  return HessianStore(folder, identity_of(windows, precision));
}

// Sums of x x^T, all of the square.
struct PlainSum {
  std::vector<double> square;
  std::uint64_t tokens = 0;

  void add(MatrixView rows) {
    square.resize(rows.cols * rows.cols);
    tokens += rows.rows;
    for (std::size_t t = 0; t < rows.rows; ++t)
      for (std::size_t i = 0; i < rows.cols; ++i)
        for (std::size_t j = 0; j < rows.cols; ++j)
          square[i * rows.cols + j] += double{rows.row(t)[i]} * rows.row(t)[j];
  }
  void add(const PlainSum& other) {
    square.resize(other.square.size());
    tokens += other.tokens;
    for (std::size_t i = 0; i < square.size(); ++i) square[i] += other.square[i];
  }
};

std::map<ShardKey, PlainSum> plain_sums(WalkedModel& model, const Windows& windows) {
  std::mutex mutex;
  std::map<ShardKey, PlainSum> sums;
  model.run(windows, UINT64_MAX, [&](const Weight& weight, std::size_t expert, std::size_t, MatrixView rows) {
    const std::lock_guard lock(mutex);
    sums[{weight.group, static_cast<std::uint32_t>(expert)}].add(rows);
  });
  std::map<std::string, PlainSum> pooled;
  std::map<std::string, std::size_t> experts;
  for (const auto& [key, sum] : sums) {
    pooled[key.first].add(sum);
    ++experts[key.first];
  }
  for (const auto& [group, sum] : pooled)
    if (experts[group] > 1) sums[{group, kAllExperts}] = sum;
  return sums;
}

void expect_near(const Hessian& hessian, const PlainSum& sum, const std::string& where) {
  ASSERT_EQ(hessian.columns * hessian.columns, sum.square.size()) << where;
  EXPECT_EQ(hessian.tokens, sum.tokens) << where;
  const double tokens = static_cast<double>(std::max<std::uint64_t>(1, sum.tokens));
  for (std::size_t i = 0; i < hessian.columns; ++i)
    for (std::size_t j = i; j < hessian.columns; ++j) {
      const double unit = std::sqrt(sum.square[i * hessian.columns + i] * sum.square[j * hessian.columns + j]) / tokens;
      ASSERT_NEAR(hessian.at(i, j), sum.square[i * hessian.columns + j] / tokens, 1e-6 * unit)
          << where << " " << i << " " << j;
    }
}

std::map<std::string, std::string> contents_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    contents[file.path().filename().string()] = read_text(file.path());
  return contents;
}

// Asks to stop at one of its answers.
class Stopping : public Observer {
 public:
  explicit Stopping(int answers) : left_(answers) {}
  bool interrupted() const override { return left_-- <= 0; }

 private:
  mutable int left_;
};

class CollectHessians : public testing::TestWithParam<const char*> {
 protected:
  const ScratchFolder scratch_;
};

TEST_P(CollectHessians, AreThePlainSumsOfWhatEachGroupMultiplies) {
  WalkedModel model(tiny(GetParam()));
  const Windows windows = seeded_windows(5, 31, model.spec.extent("vocab"), 4);
  const HessianStore store = collect(model, windows, scratch_.path() / "s");
  const std::map<ShardKey, PlainSum> expected = plain_sums(model, windows);
  EXPECT_EQ(store.shards().size(), expected.size());
  for (const auto& [key, sum] : expected) {
    const std::optional<Hessian> hessian = store.read(key.first, key.second);
    ASSERT_TRUE(hessian) << key.first << " " << key.second;
    expect_near(*hessian, sum, key.first);
  }
}

TEST_P(CollectHessians, CarryTheMomentsOfCollectStatistics) {
  WalkedModel model(tiny(GetParam()));
  const Windows windows = seeded_windows(4, 40, model.spec.extent("vocab"), 5);
  const HessianStore store = collect(model, windows, scratch_.path() / "s");
  Observer observer;
  const Statistics expected = collect_statistics(model.context(), windows, UINT64_MAX, observer),
                   carried = statistics_of(store);
  EXPECT_EQ(carried.text_name, "calib.txt");
  EXPECT_EQ(carried.windows, 4u);
  EXPECT_EQ(carried.window_length, 40u);
  ASSERT_EQ(carried.groups.size(), expected.groups.size());
  for (const auto& [name, group] : expected.groups) {
    const GroupMoments& same = carried.groups.at(name);
    ASSERT_EQ(same.experts.size(), group.experts.size());
    EXPECT_EQ(same.pooled.mean_square, group.pooled.mean_square) << name;
    for (std::size_t e = 0; e < group.experts.size(); ++e) {
      EXPECT_EQ(same.experts[e].mean_square, group.experts[e].mean_square) << name << " " << e;
      EXPECT_EQ(same.experts[e].tokens, group.experts[e].tokens) << name << " " << e;
      const Hessian hessian = *store.read(name, static_cast<std::uint32_t>(e));
      for (std::size_t c = 0; c < hessian.columns; ++c)
        EXPECT_NEAR(hessian.at(c, c), group.experts[e].mean_square[c], 1e-5 * group.experts[e].mean_square[c]);
    }
  }
}

TEST_P(CollectHessians, AreTheSameBytesForAnyThreadsAndMemory) {
  const WalkedModel described(tiny(GetParam()));
  const Windows windows = seeded_windows(7, 24, described.spec.extent("vocab"), 6);
  std::vector<std::map<std::string, std::string>> all;
  for (const unsigned threads : {1u, 2u, 4u}) {
    WalkedModel model(tiny(GetParam()), threads);
    const HessianBytes bytes = hessian_bytes(model.spec, gather_shape(model.spec, 24, threads));
    EXPECT_LT(bytes.least, bytes.one_pass);
    for (const HessianOptions& options :
         {HessianOptions{}, HessianOptions{.hidden_limit = 0, .memory_limit = bytes.least}}) {
      const auto folder = scratch_.path() / std::to_string(all.size());
      collect(model, windows, folder, options);
      all.push_back(contents_of(folder));
      EXPECT_EQ(all.back() == all.front(), true) << threads << " threads, " << options.memory_limit << " bytes";
    }
  }
}

TEST_P(CollectHessians, GoOnAfterEveryInterruption) {
  WalkedModel model(tiny(GetParam()));
  const Windows windows = seeded_windows(3, 24, model.spec.extent("vocab"), 7);
  collect(model, windows, scratch_.path() / "whole");
  const auto folder = scratch_.path() / "pieces";
  for (int answers = 0;; ++answers) {
    HessianWriter writer(folder, identity_of(windows));
    Stopping observer(answers);
    try {
      collect_hessians(model.context(), windows, {}, writer, observer);
      EXPECT_GT(answers, 2);
      break;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kInterrupted) << error.what();
      EXPECT_THROW(HessianStore(folder, identity_of(windows)), Error);
    }
    ASSERT_LT(answers, 100);
  }
  EXPECT_EQ(contents_of(folder) == contents_of(scratch_.path() / "whole"), true);
}

INSTANTIATE_TEST_SUITE_P(Tiny, CollectHessians,
                         testing::Values("tiny-llama-bias", "tiny-mixtral", "tiny-mamba", "tiny-gpt2"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase(name, '-');
                           return name;
                         });

class CollectedHessians : public testing::Test {
 protected:
  std::string refusal_of(WalkedModel& model, const Windows& windows, const HessianOptions& options, ErrorCode code) {
    try {
      collect(model, windows, folder_, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "was accepted";
    return "";
  }

  const ScratchFolder scratch_;
  const std::filesystem::path folder_ = scratch_.path() / "s";
  WalkedModel model_{tiny("tiny-mixtral")};
  const Windows windows_ = seeded_windows(12, 40, model_.spec.extent("vocab"), 8);
};

TEST_F(CollectedHessians, OfSomeGroupsAreCompletedByTheOthers) {
  const std::string all = collect(model_, windows_, scratch_.path() / "all").hash();
  const HessianStore some = collect(model_, windows_, folder_, {.groups = {"layers.1.moe.out", "layers.1.attn.in"}});
  EXPECT_EQ(some.shards().size(), 7u);
  EXPECT_FALSE(some.read("layers.0.attn.in"));
  EXPECT_EQ(some.experts("layers.0.attn.in"), 0u);
  EXPECT_NE(some.hash(), all);
  EXPECT_EQ(collect(model_, windows_, folder_).hash(), all) << "in another order, the same content";
}

TEST_F(CollectedHessians, OfAnUnknownGroupAreRefused) {
  const std::string message = refusal_of(model_, windows_, {.groups = {"layers.1.attn.on"}}, ErrorCode::kUsage);
  EXPECT_NE(message.find("no input group layers.1.attn.on"), std::string::npos) << message;
  EXPECT_NE(message.find("layers.1.attn.in"), std::string::npos) << message;
}

TEST_F(CollectedHessians, ThatExceedTheMemoryAreRefusedWithTheFigure) {
  const std::uint64_t least = hessian_bytes(model_.spec, gather_shape(model_.spec, 40, model_.pool.threads())).least;
  const std::string message = refusal_of(model_, windows_, {.memory_limit = least - 1}, ErrorCode::kResource);
  EXPECT_NE(message.find(std::to_string(least) + " bytes"), std::string::npos) << message;
  EXPECT_EQ(contents_of(folder_).size(), 1u) << "nothing but the index";
}

TEST_F(CollectedHessians, OfNoWindowsAreRefused) {
  HessianWriter writer(folder_, identity_of({40, {}}));
  Observer observer;
  EXPECT_THROW(collect_hessians(model_.context(), {40, {}}, {}, writer, observer), Error);
}

TEST_F(CollectedHessians, OfAnExpertWithEnoughTokensAreItsOwn) {
  const HessianStore store = collect(model_, windows_, folder_);
  const Weight& weight = weight_of(model_.spec, "moe.down", 1);
  std::size_t own = 0;
  for (std::uint32_t e = 0; e < 5; ++e) {
    const ChosenHessian chosen = *hessian_of(store, weight, e);
    const bool enough = store.tokens(weight.group, e) >= kFewestTokens;
    EXPECT_EQ(chosen.source, enough ? ChosenHessian::Source::kOwn : ChosenHessian::Source::kPooled);
    EXPECT_EQ(chosen.hessian.upper, store.read(weight.group, enough ? e : kAllExperts)->upper);
    own += enough;
  }
  EXPECT_GT(own, 0u);
  EXPECT_FALSE(hessian_of(store, weight_of(model_.spec, "norm", -1)));
}

// Of one token, three of five experts see it.
TEST_F(CollectedHessians, OfOneTokenAndOfNone) {
  const Windows one = seeded_windows(1, 1, model_.spec.extent("vocab"), 9);
  const HessianStore store = collect(model_, one, folder_);
  const std::map<ShardKey, PlainSum> expected = plain_sums(model_, one);
  const Weight& weight = weight_of(model_.spec, "moe.gate", 0);
  std::size_t unseen = 0;
  for (std::uint32_t e = 0; e < 5; ++e) {
    const Hessian own = *store.read(weight.group, e);
    if (own.tokens == 0) {
      EXPECT_EQ(own.upper, std::vector<float>(own.upper.size(), 0.0f));
      ++unseen;
    }
    const ChosenHessian chosen = *hessian_of(store, weight, e);
    EXPECT_EQ(chosen.source, ChosenHessian::Source::kPooled);
    EXPECT_EQ(chosen.hessian.tokens, 3u);
    EXPECT_GT(chosen.hessian.at(0, 0), 0.0f);
  }
  EXPECT_EQ(unseen, 2u);
  const ChosenHessian singular = *hessian_of(store, weight_of(model_.spec, "attn.q", 0));
  EXPECT_EQ(singular.source, ChosenHessian::Source::kOwn);
  EXPECT_EQ(singular.hessian.tokens, 1u);
  expect_near(singular.hessian, expected.at({"layers.0.attn.in", 0}), "one token");
}

// The inputs of the MLP are 1e20 and its weights so small that its outputs are ordinary.
TEST_F(CollectedHessians, ThatOverflowNameTheirGroup) {
  WalkedModel model(tiny("tiny-llama-bias"));
  Weight norm;
  for (const Op& op : model.spec.blocks[1].ops)
    if (std::holds_alternative<RmsNormOp>(op.kind)) norm = model.spec.weights[op.weights[0]];
  Matrix gain(1, norm.elements());
  std::ranges::fill(gain.flat(), 1e20f);
  replace_values(model.weights, norm, gain);
  for (const char* role : {"mlp.gate", "mlp.up"}) {
    const Weight& weight = weight_of(model.spec, role, 0);
    Matrix values(weight.layout().rows, weight.layout().cols);
    std::ranges::fill(values.flat(), 1e-30f);
    replace_values(model.weights, weight, values);
  }
  const std::string message = refusal_of(model, seeded_windows(2, 24, 96), {}, ErrorCode::kInput);
  EXPECT_NE(message.find("Hessian of layers.0.mlp.in is not finite"), std::string::npos) << message;
}

TEST_F(CollectedHessians, InBf16HaveTheDiagonalOfTheRoundedInputs) {
  if (!has_bf16_products()) GTEST_SKIP() << "this processor multiplies no bf16";
  const HessianStore store = collect(model_, windows_, folder_, {}, Precision::kBf16);
  EXPECT_EQ(store.identity().precision, "bf16");
  for (const auto& [name, group] : statistics_of(store).groups)
    for (std::uint32_t e = 0; e < group.experts.size(); ++e) {
      const Hessian hessian = *store.read(name, e);
      for (std::size_t c = 0; c < hessian.columns; ++c)
        EXPECT_NEAR(hessian.at(c, c), group.experts[e].mean_square[c], group.experts[e].mean_square[c] / 128) << name;
    }
  EXPECT_THROW(HessianStore(folder_, identity_of(windows_)), Error);
}

}  // namespace
}  // namespace quern
