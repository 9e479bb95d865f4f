// By encodings, and by what the readers of other packages say.
#include "package/requantization.h"

#include <fmt/core.h>

#include <algorithm>
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

void QuantizedMatrices::add(const ModelSpec& spec, const Checkpoint& source) {
  for (const Weight& weight : spec.weights) {
    matrices_ += !keeps_precision(weight);
    if (const std::string found = quantization_of(weight, source); !found.empty()) ++counts_[found];
  }
}

std::string QuantizedMatrices::text() const {
  std::vector<std::pair<std::string, std::size_t>> rows(counts_.begin(), counts_.end());
  std::ranges::sort(
      rows, [](const auto& a, const auto& b) { return std::tie(b.second, a.first) < std::tie(a.second, b.first); });
  std::string text;
  for (const auto& [found, count] : rows)
    text += fmt::format("{}{} ({} of {} matrices)", text.empty() ? "" : ", ", found, count, std::max(matrices_, count));
  return text;
}

std::string describe_quantization(const ModelSpec& spec, const Checkpoint& source) {
  QuantizedMatrices matrices;
  matrices.add(spec, source);
  return matrices.text();
}

std::size_t steps_quantized_again(const Plan& plan, const OpenModel& source, const ExportMap& names,
                                  const std::function<bool(const OutputTensor&)>& is_lossless) {
  const std::vector<OutputTensor> tensors = output_tensors(plan, source.spec, names);
  return static_cast<std::size_t>(std::ranges::count_if(tensors, [&](const OutputTensor& tensor) {
    const Codec* codec = find_codec(tensor.step.codec);
    return !is_plain(codec) && !quantization_of(tensor.weight, source.checkpoint).empty() &&
           !(codec && is_stored_in(*codec, source.weights, tensor.weight, tensor.exported)) && !is_lossless(tensor);
  }));
}

}  // namespace quern
