// By encodings, and by what the readers of other packages say.
#include "package/requantization.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "checkpoint/quantized_numbers.h"
#include "encode/weight_rows.h"
#include "plan/choice.h"
#include "plan/output_tensor.h"

namespace quern {

namespace {

// Of a weight made of several tensors by the first that was quantized.
std::string quantization_of(const Weight& weight, const Checkpoint& source) {
  if (weight.parts.empty()) return quantization_of(source.at(weight.tensor));
  for (const WeightPart& part : weight.parts)
    if (std::string found = quantization_of(source.at(part.tensor)); !found.empty()) return found;
  return {};
}

}  // namespace

std::string quantization_of(const TensorEntry& entry) {
  if (std::string how = decoded_from(entry); !how.empty()) return how;
  const Codec* codec = find_decoder(entry.encoding);
  return codec && !is_plain(codec) ? entry.encoding : "";
}

std::string describe_quantization(const ModelSpec& spec, const Checkpoint& source) {
  std::map<std::string, std::size_t> counts;
  std::size_t matrices = 0;
  for (const Weight& weight : spec.weights) {
    matrices += !keeps_precision(weight);
    if (const std::string found = quantization_of(weight, source); !found.empty()) ++counts[found];
  }
  std::vector<std::pair<std::string, std::size_t>> rows(counts.begin(), counts.end());
  std::ranges::sort(
      rows, [](const auto& a, const auto& b) { return std::tie(b.second, a.first) < std::tie(a.second, b.first); });
  std::string text;
  for (const auto& [found, count] : rows)
    text += fmt::format("{}{} ({} of {} matrices)", text.empty() ? "" : ", ", found, count, std::max(matrices, count));
  return text;
}

std::size_t steps_quantized_again(const Plan& plan, const OpenModel& source, const ExportMap& names) {
  const std::vector<OutputTensor> tensors = output_tensors(plan, source.spec, names);
  return static_cast<std::size_t>(std::ranges::count_if(tensors, [&](const OutputTensor& tensor) {
    const Codec* codec = find_codec(tensor.step.codec);
    return !is_plain(codec) && !quantization_of(tensor.weight, source.checkpoint).empty() &&
           !(codec && is_stored_in(*codec, source.weights, tensor.weight, tensor.exported));
  }));
}

}  // namespace quern
