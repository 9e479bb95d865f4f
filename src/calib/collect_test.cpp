// Collected moments against llama.cpp's, against a direct sum, and for every number of threads.
#include "calib/collect.h"

#include <cstdio>
#include <set>

#include "base/random.h"
#include "runtime/golden_model_fixture.h"
#include "tests/shared_folder.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

std::filesystem::path tiny(const char* name) { return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name; }

Windows random_windows(std::size_t count, std::size_t length) {
  Random random(3);
  Windows windows{length, {}};
  for (std::size_t i = 0; i < count * length; ++i) windows.ids.push_back(static_cast<std::int32_t>(random.below(96)));
  return windows;
}

Statistics collect(unsigned threads, std::uint64_t memory_limit) {
  WalkedModel model(tiny("tiny-llama-bias"), threads);
  Observer observer;
  return collect_statistics(model.context(), random_windows(7, 24), memory_limit, observer);
}

TEST(Collect, IsBitIdenticalForAnyThreadsAndWithSpilling) {
  const Statistics one = collect(1, UINT64_MAX);
  for (const unsigned threads : {1u, 2u, 4u})
    for (const std::uint64_t limit : {UINT64_MAX, std::uint64_t{0}}) {
      const Statistics other = collect(threads, limit);
      ASSERT_EQ(other.groups.size(), one.groups.size());
      for (const auto& [group, moments] : one.groups)
        EXPECT_EQ(other.groups.at(group).pooled.mean_square, moments.pooled.mean_square) << group;
    }
}

TEST(Collect, IsTheMeanSquareOfWhatEachGroupMultiplies) {
  WalkedModel model(tiny("tiny-llama-bias"));
  const Windows windows = random_windows(3, 24);
  Observer observer;
  const Statistics statistics = collect_statistics(model.context(), windows, UINT64_MAX, observer);
  EXPECT_EQ(statistics.windows, 3u);
  EXPECT_EQ(statistics.window_length, 24u);
  // The head multiplies the normed states, which run() returns.
  const ActivationStore normed = model.run(windows);
  std::vector<double> sums(normed.width());
  Matrix window(normed.length(), normed.width());
  for (std::size_t w = 0; w < normed.windows(); ++w) {
    normed.load(w, window.view());
    for (std::size_t t = 0; t < window.rows(); ++t)
      for (std::size_t c = 0; c < window.cols(); ++c)
        sums[c] += static_cast<double>(window.row(t)[c]) * window.row(t)[c];
  }
  std::set<std::string> groups;
  for (const Weight& weight : model.spec.weights) {
    if (!weight.group.empty()) groups.insert(weight.group);
    if (weight.role != "head") continue;
    const InputMoments& moments = statistics.groups.at(weight.group).experts.at(0);
    EXPECT_EQ(moments.tokens, 72u);
    for (std::size_t c = 0; c < sums.size(); ++c) EXPECT_NEAR(moments.mean_square[c], sums[c] / 72, 1e-12 * sums[c]);
  }
  EXPECT_EQ(statistics.groups.size(), groups.size());
}

TEST(Collect, AgreesWithLlamaImatrix) {
  QUERN_NEEDS_SHARED("text/calib.txt");
  WalkedModel model(std::filesystem::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const Windows windows =
      make_windows(load_tokenizer(model.checkpoint), load_text(shared_folder() / "text" / "calib.txt"), 512, 8);
  Observer observer;
  const Statistics ours = collect_statistics(model.context(), windows, UINT64_MAX, observer);
  const Statistics theirs = read_statistics(std::filesystem::path(QUERN_TESTDATA) / "calib" / "llama-7m-imatrix8.gguf",
                                            model.spec, map_to_gguf(model.spec, model.checkpoint));
  EXPECT_EQ(theirs.windows, 8u);
  EXPECT_EQ(theirs.groups.size() + 1, ours.groups.size());  // llama-imatrix leaves the head out
  double most = 0, sum = 0, count = 0;
  for (const auto& [group, of_group] : theirs.groups) {
    const InputMoments &mine = ours.groups.at(group).experts.at(0), &moments = of_group.experts.at(0);
    EXPECT_EQ(mine.tokens, moments.tokens);
    for (std::size_t c = 0; c < moments.mean_square.size(); ++c) {
      const double difference = std::abs(mine.mean_square[c] - moments.mean_square[c]) / moments.mean_square[c];
      most = std::max(most, difference);
      sum += difference;
      count += 1;
      EXPECT_LT(difference, 0.01) << group << " column " << c;
    }
  }
  std::printf("relative difference to llama-imatrix over %.0f columns: largest %.2e, mean %.2e\n", count, most,
              sum / count);
}

}  // namespace
}  // namespace quern
