// Rows in the order of the output: against llama.cpp's converter bit by bit, and the cut into tasks.
#include "encode/weight_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>

#include "base/scalars.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "quern/error.h"

namespace quern {
namespace {

std::filesystem::path testdata(const std::string& name) { return std::filesystem::path(QUERN_TESTDATA) / name; }

struct OpenModel {
  explicit OpenModel(const std::filesystem::path& path)
      : checkpoint(open_checkpoint(path)),
        spec(describe_model(checkpoint)),
        map(map_to_gguf(spec, checkpoint)),
        source(checkpoint) {}

  // All rows of each exported tensor.
  std::map<std::string, Matrix> exported() const {
    std::map<std::string, Matrix> tensors;
    for (const ExportedWeight& weight : map.weights) {
      const ExportedRows rows(source, spec.weights[weight.weight], weight);
      tensors[weight.name] = rows.rows(0, rows.layout().rows);
    }
    return tensors;
  }

  Checkpoint checkpoint;
  ModelSpec spec;
  ExportMap map;
  CheckpointWeights source;
};

class ConvertedValues : public testing::TestWithParam<const char*> {};
TEST_P(ConvertedValues, AreThoseOfTheConverterBitByBit) {
  const OpenModel ours(testdata(std::string("model/") + GetParam()));
  const Checkpoint file = open_checkpoint(testdata(std::string("model/") + GetParam() + ".gguf"));
  const CheckpointWeights theirs(file);
  for (const auto& [name, rows] : ours.exported()) {
    const Matrix right = theirs.read(name);
    ASSERT_EQ(rows.rows(), right.rows()) << name;
    ASSERT_EQ(rows.cols(), right.cols()) << name;
    // The converter takes -exp(A_log) in the type of the file, here f16; ours is in float.
    const bool in_half = name.ends_with("ssm_a");
    for (std::size_t i = 0; i < right.flat().size(); ++i) {
      const float value = in_half ? f16_to_f32(f32_to_f16(rows.flat()[i])) : rows.flat()[i];
      ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(right.flat()[i])) << name << " " << i;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(, ConvertedValues, testing::Values("tiny-qwen3", "tiny-gpt2", "tiny-mamba", "tiny-mixtral"));

TEST(ExportedRows, BothSpellingsOfExpertsGiveTheSameBits) {
  const std::map<std::string, Matrix> apart = OpenModel(testdata("runtime/tiny-mixtral")).exported(),
                                      stacked = OpenModel(testdata("runtime/tiny-mixtral-stacked")).exported();
  ASSERT_EQ(apart.size(), stacked.size());
  for (const auto& [name, rows] : apart) EXPECT_TRUE(std::ranges::equal(rows.flat(), stacked.at(name).flat())) << name;
}

TEST(ExportedRows, AnyRangeIsThatOfTheWhole) {
  for (const char* name : {"runtime/tiny-mixtral-stacked", "model/tiny-mixtral", "model/tiny-gpt2"}) {
    const OpenModel model(testdata(name));
    for (const ExportedWeight& weight : model.map.weights) {
      const ExportedRows rows(model.source, model.spec.weights[weight.weight], weight);
      const std::size_t count = rows.layout().rows;
      const Matrix whole = rows.rows(0, count);
      for (std::size_t first = 0; first < count; first += count / 5 + 1)
        for (const std::size_t size : {std::size_t{1}, std::min<std::size_t>(7, count - first), count - first}) {
          const Matrix some = rows.rows(first, size);
          for (std::size_t i = 0; i < size; ++i)
            ASSERT_TRUE(std::ranges::equal(some.row(i), whole.row(first + i))) << weight.name << " " << first + i;
        }
    }
  }
}

TEST(ExportedRows, StoredBytesAreInTheOrderOfTheOutput) {
  const OpenModel model(testdata("runtime/tiny-q8_0/model.gguf"));
  const Codec& codec = *find_codec("q8_0");
  std::size_t copied = 0, reordered = 0;
  for (const ExportMap& map : {model.map, map_to_transformers(model.spec, model.checkpoint)})
    for (const ExportedWeight& exported : map.weights) {
      const Weight& weight = model.spec.weights[exported.weight];
      const ExportedRows rows(model.source, weight, exported);
      EXPECT_FALSE(is_stored_in(*find_codec("q4_0"), model.source, weight, exported)) << exported.name;
      if (!is_stored_in(codec, model.source, weight, exported)) continue;
      ++copied;
      reordered += !exported.row_order.empty();
      const std::optional<PackedTensor> stored = rows.stored_rows(codec, 3, 7);
      ASSERT_TRUE(stored) << exported.name;
      const Matrix right = rows.rows(3, 7);
      std::vector<float> decoded(right.cols());
      for (std::size_t i = 0; i < 7; ++i) {
        decode_row(codec, std::as_const(*stored).row(i), decoded);
        EXPECT_TRUE(std::ranges::equal(decoded, right.row(i))) << exported.name << " " << i;
      }
    }
  EXPECT_GT(copied, 10u);
  EXPECT_GT(reordered, 0u);
}

TEST(ExportedRows, KnowTheExpertOfARowInEitherSpelling) {
  for (const char* name : {"runtime/tiny-mixtral", "runtime/tiny-mixtral-stacked"}) {
    const OpenModel model(testdata(name));
    std::size_t seen = 0;
    for (const ExportedWeight& weight : model.map.weights) {
      const ExportedRows rows(model.source, model.spec.weights[weight.weight], weight);
      const bool mixture = weight.name.find("_exps.") != std::string::npos;
      seen += mixture;
      const std::size_t each = mixture ? rows.layout().rows / 5 : rows.layout().rows;
      for (std::size_t row = 0; row < rows.layout().rows; ++row) ASSERT_EQ(rows.expert_of(row), row / each);
    }
    EXPECT_EQ(seen, 9u) << name;
  }
}

// The tasks cover every row once, in order, and stay within an expert.
void expect_whole(const std::vector<RowTask>& tasks, const ExportedRows& rows) {
  std::size_t next = 0;
  for (const RowTask& task : tasks) {
    EXPECT_EQ(task.first, next);
    ASSERT_GT(task.count, 0u);
    EXPECT_LE(task.count, rows_per_task(rows.layout().cols));
    for (std::size_t row = task.first; row < task.first + task.count; ++row)
      ASSERT_EQ(rows.expert_of(row), task.expert) << row;
    next += task.count;
  }
  EXPECT_EQ(next, rows.layout().rows);
}

TEST(RowTasks, NeverMixExperts) {
  const OpenModel model(testdata("runtime/tiny-mixtral-stacked"));
  for (const ExportedWeight& weight : model.map.weights) {
    const ExportedRows rows(model.source, model.spec.weights[weight.weight], weight);
    const std::vector<RowTask> tasks = row_tasks(rows);
    expect_whole(tasks, rows);
    // Each tensor of these models is smaller than a task.
    EXPECT_EQ(tasks.size(), weight.name.find("_exps.") == std::string::npos ? 1u : 5u) << weight.name;
  }
}

TEST(RowTasks, CutLargeExpertsTheSameWay) {
  const OpenModel model(testdata("runtime/tiny-mixtral"));
  Weight weight;  // no byte of it is read
  weight.axes = {{"experts", 3}, {"inner", 1000}, {"hidden", 1024}};
  const ExportedWeight exported{.weight = 0, .name = "large"};
  const ExportedRows rows(model.source, weight, exported);
  const std::vector<RowTask> tasks = row_tasks(rows);
  expect_whole(tasks, rows);
  ASSERT_EQ(tasks.size(), 12u);  // 256 rows a task: 256 + 256 + 256 + 232 of each expert
  for (std::size_t i = 0; i < tasks.size(); ++i) EXPECT_EQ(tasks[i].count, i % 4 == 3 ? 232u : 256u) << i;
}

TEST(RowTasks, AreSeveralOfASmallMatrixWhereACodecSearches) {
  const OpenModel model(testdata("runtime/tiny-mixtral"));
  Weight weight;  // no byte of it is read
  weight.axes = {{"inner", 200}, {"hidden", 512}};
  const ExportedWeight exported{.weight = 0, .name = "small"};
  const ExportedRows rows(model.source, weight, exported);
  EXPECT_EQ(row_tasks(rows).size(), 1u);
  for (const char* name : {"seedlm_4", "seedlm_3", "seedlm_4_paper", "seedlm_4w", "seedlm_3w"}) {
    const std::vector<RowTask> tasks = row_tasks(rows, *find_codec(name));
    expect_whole(tasks, rows);
    ASSERT_EQ(tasks.size(), 4u) << name;  // 64 + 64 + 64 + 8
    for (std::size_t i = 0; i < tasks.size(); ++i) EXPECT_EQ(tasks[i].count, i == 3 ? 8u : 64u) << name << i;
  }
}

}  // namespace
}  // namespace quern
