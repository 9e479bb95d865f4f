// Every number format of every matrix, without looking at a number.
#include "compress/size_range.h"

#include <algorithm>

#include "base/fail.h"
#include "optim/optimizer.h"
#include "package/package.h"
#include "plan/choice.h"
#include "plan/size_goal.h"

namespace quern {
namespace {

// Bits of a weight, all files counted. Formats of vectors have 3.44 at most: matrices that mind little get them where
// the mean is above that.
constexpr double kMostBitsForVectors = 4.5;

std::vector<StepOptions> options_by_shape(const Opened& opened, const Plan& base) {
  std::vector<StepOptions> all;
  const std::vector<OutputTensor> tensors = output_tensors(base, opened.source.spec, opened.names);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const OutputTensor& tensor = tensors[i];
    const Codec* stored = find_codec(opened.source.weights.stored(tensor.weight).encoding);
    if (keeps_precision(tensor.weight) || !stored) continue;
    StepOptions& options = all.emplace_back(StepOptions{i, {}});
    std::vector<const Codec*> codecs =
        codecs_to_try(opened.format, tensor.weight, tensor.exported, *stored, opened.ternary(), search_reach(opened));
    codecs.push_back(find_codec(tensor.step.codec));
    for (const Codec* codec : codecs) {
      const RowLayout layout = tensor.layout();
      options.options.push_back({codec, codec->stored_bytes(layout.rows, layout.cols)});
    }
  }
  return all;
}

}  // namespace

SizeSearch size_search(const Opened& opened, const Plan& base, std::span<const StepOptions> options,
                       std::uint64_t most) {
  const auto file_bytes = [&opened, head = opened.head_of(base)](const Plan& plan) mutable {
    set_tensors(head, tensor_table(plan, opened.names, opened.source.spec, opened.copied), opened.names);
    return package_bytes(head, opened.format, opened.source.checkpoint);
  };
  const bool is_bound_to_mixes = opened.options.mode != CompressOptions::Mode::kAdvanced;
  return {base,
          options,
          most,
          file_bytes,
          opened.source.file_bytes(),
          {is_bound_to_mixes ? &opened.format : nullptr, opened.couplings}};
}

Reach search_reach(const Opened& opened) {
  if (opened.options.mode == CompressOptions::Mode::kAdvanced) return Reach::kAll;
  if (opened.format.mixes || !opened.options.size) return Reach::kScalar;
  const double bits = 8 * static_cast<double>(most_bytes(opened)) / static_cast<double>(opened.source.parameters());
  return bits <= kMostBitsForVectors ? Reach::kVectors : Reach::kScalar;
}

std::uint64_t most_bytes(const Opened& opened) {
  return most_bytes(*opened.options.size, opened.source.parameters(), opened.source.file_bytes());
}

SizeRange size_range(const Opened& opened) {
  const Plan base = opened.plan({}, &best_optimizer(Optimizer::Needs::kNothing));
  const std::vector<StepOptions> options = options_by_shape(opened, base);
  const SizeSearch search = size_search(opened, base, options, 0);
  Plan largest = base;
  for (const StepOptions& of_step : options) {
    const StepOption& option = std::ranges::max(of_step.options, {}, &StepOption::bytes);
    largest.steps[of_step.step].codec = option.codec->name;
    largest.steps[of_step.step].bytes = option.bytes;
  }
  return {least_bytes(search), search.file_bytes(largest)};
}

void check_size_is_possible(const Opened& opened) {
  const SizeRange range = size_range(opened);
  if (const std::uint64_t wanted = most_bytes(opened); wanted < range.least)
    fail(ErrorCode::kInfeasible,
         "a size of {} bytes is too small for this model in {}: by its shapes it takes {} to {} bytes there (source: "
         "{}); ask for more, or make the model smaller first",
         wanted, opened.format.name, range.least, range.most, opened.source.file_bytes());
}

}  // namespace quern
