// For tests: a checkpoint with its description, walked from token ids to logits, and golden logits
// (tools/make_golden_logits.py).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "codec/codec.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "model/model_spec.h"
#include "model/replaced_weights.h"
#include "runtime/head.h"

namespace quern {

struct GoldenCase {
  Windows windows;  // one
  std::vector<std::size_t> positions, vocabulary_ids;
  std::vector<std::vector<double>> logits;  // [positions][vocabulary_ids]
  std::vector<double> logsumexp;
  double largest = 0;  // magnitude among all logits of these positions
};

inline std::vector<double> numbers(const Json& array) {
  std::vector<double> out;
  for (const Json& item : array.as_array()) out.push_back(item.as_double());
  return out;
}

inline std::vector<GoldenCase> read_golden(const std::filesystem::path& path) {
  std::vector<GoldenCase> cases;
  const Json file = parse_json(read_text(path));
  for (const Json& json : file.at("cases").as_array()) {
    GoldenCase c;
    for (const double id : numbers(json.at("ids"))) c.windows.ids.push_back(static_cast<std::int32_t>(id));
    c.windows.length = c.windows.ids.size();
    for (const double p : numbers(json.at("positions"))) c.positions.push_back(static_cast<std::size_t>(p));
    for (const double v : numbers(json.at("vocabulary_ids"))) c.vocabulary_ids.push_back(static_cast<std::size_t>(v));
    for (const Json& row : json.at("logits").as_array()) c.logits.push_back(numbers(row));
    c.logsumexp = numbers(json.at("logsumexp"));
    c.largest = json.at("largest").as_double();
    cases.push_back(std::move(c));
  }
  return cases;
}

// Opened and described; tests change `spec` and `weights` to see what follows.
struct WalkedModel {
  explicit WalkedModel(const std::filesystem::path& path, unsigned threads = 2)
      : checkpoint(open_checkpoint(path)),
        spec(describe_model(checkpoint)),
        stored(checkpoint),
        weights(stored),
        pool(threads) {}

  WalkContext context() { return {spec, weights, pool, Precision::kF32}; }

  ActivationStore run(const Windows& windows, std::uint64_t memory_limit = UINT64_MAX, const InputHook& hook = {}) {
    ActivationStore hidden = embed_windows(context(), windows, memory_limit);
    for (std::size_t block = 1; block + 1 < spec.blocks.size(); ++block) run_block(context(), block, hidden, hook);
    run_head_norm(context(), hidden, hook);
    return hidden;
  }

  Matrix logits(const Windows& windows, std::size_t window = 0) {
    return logits_of_window(context(), run(windows), window);
  }

  Checkpoint checkpoint;
  ModelSpec spec;
  CheckpointWeights stored;
  ReplacedWeights weights;  // over those that are stored
  ThreadPool pool;
};

// Largest difference to the golden logits, relative to the largest of them.
inline double golden_error(const GoldenCase& golden, const Matrix& logits) {
  double worst = 0;
  for (std::size_t p = 0; p < golden.positions.size(); ++p) {
    const auto row = logits.row(golden.positions[p]);
    for (std::size_t v = 0; v < golden.vocabulary_ids.size(); ++v)
      worst = std::max(worst, std::abs(row[golden.vocabulary_ids[v]] - golden.logits[p][v]));
    double sum = 0;
    for (const float logit : row) sum += std::exp(double{logit} - golden.logsumexp[p]);
    worst = std::max(worst, std::abs(std::log(sum)));
  }
  return worst / golden.largest;
}

// The limit of agreement with transformers in float32.
inline constexpr double kGoldenTolerance = 1e-4;

inline void expect_golden(WalkedModel& model, const std::filesystem::path& golden) {
  for (const GoldenCase& c : read_golden(golden)) {
    const double error = golden_error(c, model.logits(c.windows));
    EXPECT_LT(error, kGoldenTolerance) << golden << " " << c.windows.length;
    testing::Test::RecordProperty("error_" + std::to_string(c.windows.length), std::to_string(error * 1e9) + "e-9");
  }
}

// From now on the weight has these values, in the order of its logical matrix.
inline void replace_values(ReplacedWeights& weights, const Weight& weight, const Matrix& values) {
  PackedTensor packed(*find_codec("f32"), weight.layout());
  for (std::size_t i = 0; i < values.rows(); ++i) encode_row(packed.codec(), values.row(i), {}, packed.row(i));
  weights.replace(weight.tensor, std::move(packed));
}

// The first weight of a role in a layer.
inline const Weight& weight_of(const ModelSpec& spec, std::string_view role, std::int32_t layer) {
  for (const Weight& weight : spec.weights)
    if (weight.role == role && weight.layer == layer) return weight;
  throw std::runtime_error("no " + std::string(role));
}

// Token ids below `vocabulary`, seeded.
inline Windows seeded_windows(std::size_t count, std::size_t length, std::uint64_t vocabulary, std::uint64_t seed = 1) {
  Random random(seed);
  Windows windows{length, {}};
  for (std::size_t i = 0; i < count * length; ++i)
    windows.ids.push_back(static_cast<std::int32_t>(random.below(vocabulary)));
  return windows;
}

}  // namespace quern
