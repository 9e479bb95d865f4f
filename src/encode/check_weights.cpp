// Values that no trained model has: NaN, growing states.
#include "encode/check_weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/fail.h"
#include "base/interruption.h"
#include "encode/weight_rows.h"
#include "kernel/elementwise.h"
#include "model/op_traits.h"
#include "runtime/decode_weight.h"

namespace quern {
namespace {

struct NonFinite {
  std::atomic<std::uint64_t> nan{0}, infinite{0};
};

void count_non_finite(std::span<const float> values, NonFinite& count) {
  if (all_finite(values)) return;
  for (const float v : values) {
    if (std::isnan(v)) ++count.nan;
    if (std::isinf(v)) ++count.infinite;
  }
}

// for_all(layout, body) calls body(begin, end) until all rows were seen.
template <typename ForAll>
void expect_finite(const Weights& source, const Weight& weight, ForAll for_all) {
  const RowLayout layout = row_layout(source.stored(weight).shape);
  NonFinite bad;
  for_all(layout, [&](std::size_t begin, std::size_t end) {
    Matrix rows(end - begin, layout.cols);
    source.read_stored_rows(weight, begin, rows.view());
    count_non_finite(rows.flat(), bad);
  });
  if (bad.nan || bad.infinite)
    fail(ErrorCode::kInput, "tensor {} of {} holds {} NaN and {} infinite values among {}; the checkpoint is damaged",
         weight.tensor, source.name(), bad.nan.load(), bad.infinite.load(), layout.rows * layout.cols);
}

void check_all_finite(const Weights& source, const std::vector<const Weight*>& weights, ThreadPool& pool,
                      Observer& observer) {
  observer.stage("check weights", weights.size());
  for (const Weight* weight : weights) {
    check_interrupted(observer);
    expect_finite(source, *weight, [&](const RowLayout& layout, const auto& body) {
      parallel_for(pool, layout.rows, rows_per_task(layout.cols), body);
    });
    observer.advance(weight->tensor);
  }
}

// Weights that a file with these names does not hold whole and as they are, and those that check_decays reads.
std::vector<const Weight*> not_checked_by_encoding(const ModelSpec& spec, const ExportMap& names) {
  std::vector<std::uint64_t> unread;
  for (const Weight& weight : spec.weights) unread.push_back(weight.elements());
  for (const ExportedWeight& exported : names.weights) {
    const std::uint64_t read = element_count(exported.output_shape(spec.weights[exported.weight]));
    if (exported.transform == ExportedWeight::Transform::kNone)
      unread[exported.weight] -= std::min(unread[exported.weight], read);
  }
  for (const Block& block : spec.blocks)
    for (const Op& op : block.ops)
      if (const std::optional<DecayWeight> decay = decay_of(op)) unread[op.weights.at(decay->weight)] = 1;
  std::vector<const Weight*> weights;
  for (std::size_t w = 0; w < unread.size(); ++w)
    if (unread[w]) weights.push_back(&spec.weights[w]);
  return weights;
}

}  // namespace

void check_finite(const Weights& source, const Weight& weight) {
  expect_finite(source, weight, [](const RowLayout& layout, const auto& body) {
    const std::size_t grain = rows_per_task(layout.cols);
    for (std::size_t begin = 0; begin < layout.rows; begin += grain)
      body(begin, std::min<std::size_t>(begin + grain, layout.rows));
  });
}

void check_finite_weights(const Weights& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer) {
  std::vector<const Weight*> all;
  for (const Weight& weight : spec.weights) all.push_back(&weight);
  check_all_finite(source, all, pool, observer);
}

void check_decays(const Weights& source, const ModelSpec& spec) {
  for (const Block& block : spec.blocks)
    for (const Op& op : block.ops)
      if (const std::optional<DecayWeight> decay = decay_of(op))
        with_context("while checking " + source.name(),
                     [&] { read_decay(decay->form, source, spec.weights[op.weights.at(decay->weight)]); });
}

void check_weights(const Weights& source, const ModelSpec& spec, ThreadPool& pool, Observer& observer) {
  check_finite_weights(source, spec, pool, observer);
  check_decays(source, spec);
}

void check_weights_before_encoding(const Weights& source, const ModelSpec& spec, const ExportMap& names,
                                   ThreadPool& pool, Observer& observer) {
  const std::vector<const Weight*> weights = not_checked_by_encoding(spec, names);
  if (!weights.empty()) check_all_finite(source, weights, pool, observer);
  check_decays(source, spec);
}

}  // namespace quern
