// What a cache shows against all the rows it was given, and what ops allocate against what their traits say.
#include "runtime/attention_cache.h"

#include <gtest/gtest.h>

#include <map>

#include "model/op_walk.h"
#include "quern/error.h"
#include "runtime/golden_model_fixture.h"
#include "runtime/prepare_op.h"

namespace quern {
namespace {

constexpr std::size_t kPositions = 300;

// Each value tells its position.
Matrix numbered_rows(std::size_t position, std::size_t count, float offset) {
  Matrix rows(count, 4);
  for (std::size_t i = 0; i < count; ++i)
    for (float& value : rows.row(i)) value = static_cast<float>(position + i) + offset;
  return rows;
}

// The last rows are those of the positions before `end`, as many as the first of `count` new ones sees.
void expect_seen(MatrixView shown, std::size_t end, std::size_t count, std::size_t window, float offset) {
  const std::size_t seen = std::min(end, window ? window - 1 + count : end);
  ASSERT_GE(shown.rows, seen);
  for (std::size_t i = 1; i <= seen; ++i)
    ASSERT_EQ(shown.row(shown.rows - i)[3], static_cast<float>(end - i) + offset) << end << " " << i;
}

TEST(AttentionCache, ShowsAllThatTheWindowSees) {
  for (const std::uint32_t window : {0u, 1u, 2u, 24u, 250u})
    for (const std::size_t chunk : {1u, 7u, 64u}) {
      const AttentionOp attention{2, 1, 4, 1, window};
      OpState state = begin_attention(attention, kPositions);
      EXPECT_EQ(state.keys.rows(), kept_positions(attention, kPositions));
      for (std::size_t at = 0, count; at < kPositions; at += count) {
        count = std::min(chunk, kPositions - at);
        const auto [keys, values] = append_attention(attention, state, at, numbered_rows(at, count, 0).view(),
                                                     numbered_rows(at, count, 0.5f).view());
        expect_seen(keys, at + count, count, window, 0);
        expect_seen(values, at + count, count, window, 0.5f);
      }
    }
}

TEST(AttentionCache, RefusesMoreRowsThanItHasRoomFor) {
  const AttentionOp attention{2, 1, 4, 1, 0};
  OpState state = begin_attention(attention, 10);
  const Matrix rows = numbered_rows(0, 11, 0);
  EXPECT_THROW(append_attention(attention, state, 0, rows.view(), rows.view()), Error);
}

class Traits : public testing::TestWithParam<const char*> {
 protected:
  WalkedModel model_{std::filesystem::path(QUERN_TESTDATA) / "runtime" / GetParam()};

  template <typename Visit>
  void for_each_prepared(std::size_t positions, Visit visit) {
    for (const Block& block : model_.spec.blocks)
      for (const OpSite& site : sites_of(model_.spec, block)) {
        if (takes_tokens(site.op)) continue;
        const std::vector<std::size_t> widths(site.widths.begin(), site.widths.end());
        visit(site, prepare_op(model_.context(), site.op, positions, widths));
      }
  }
};

TEST_P(Traits, SayTheWidthOfWhatIsMade) {
  for_each_prepared(8, [](const OpSite& site, const PreparedOp& prepared) {
    EXPECT_EQ(output_width(site), prepared.width) << site.op.output;
  });
}

TEST_P(Traits, CountWhatASequenceAllocates) {
  for (const std::size_t positions : {1u, 30u, 88u, 120u}) {
    StateSize sum;
    for_each_prepared(positions, [&](const OpSite& site, const PreparedOp& prepared) {
      const OpState state = prepared.begin ? prepared.begin(positions) : OpState{};
      const std::uint64_t cached = state.keys.flat().size() + state.values.flat().size();
      EXPECT_EQ(state_size(site, positions).keys_and_values, cached) << site.op.output;
      EXPECT_EQ(state_size(site, positions).recurrent, state.floats.size()) << site.op.output;
      sum.keys_and_values += cached;
      sum.recurrent += state.floats.size();
    });
    EXPECT_EQ(state_size(model_.spec, positions).total(), sum.total());
  }
}

INSTANTIATE_TEST_SUITE_P(, Traits,
                         testing::Values("tiny-gpt2", "tiny-itera-lite", "tiny-llama-bias", "tiny-mamba",
                                         "tiny-mistral", "tiny-mixtral", "tiny-mixtral-stacked", "tiny-qwen3",
                                         "tiny-bitnet"),
                         [](const auto& of) {
                           std::string name = of.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace quern
