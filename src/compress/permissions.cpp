// Decided by encodings and shapes.
#include "compress/permissions.h"

#include <fmt/core.h>

#include <optional>

#include "compress/size_range.h"
#include "compress/ternary_steps.h"
#include "package/requantization.h"
#include "plan/output_tensor.h"
#include "quern/error.h"

namespace quern {
namespace {

// A scale a row more, or blocks of another kind, are no reason to stop anybody.
constexpr double kNoticeable = 1.01;

std::size_t quantized_again(const Opened& opened, const Plan& plan) {
  return steps_quantized_again(plan, opened.source, opened.names,
                               [&](const OutputTensor& tensor) { return keeps_three_values(opened, tensor); });
}

// Why a plan is refused.
struct Refusal {
  ErrorCode code;
  std::string why;
};

std::optional<Refusal> refused_requantization(const Opened& opened, const Plan& plan) {
  if (opened.options.requantize == CompressOptions::Requantize::kAllow || opened.quantized.empty()) return {};
  if (quantized_again(opened, plan) == 0) return {};
  return Refusal{ErrorCode::kUsage,
                 fmt::format("the weights of {} are quantized already: {}. A second quantization adds to the loss of "
                             "the first (docs/tasks/chain.md "
                             "measures such chains): find the original, or allow it with `requantize=kAllow`",
                             opened.source.checkpoint.path().string(), opened.quantized)};
}

// Bytes of the tensors in the source's files that the matrices of a plan are made from, and of the plan's.
struct MatrixBytes {
  std::uint64_t before = 0, after = 0;
};

MatrixBytes matrix_bytes(const Opened& opened, const Plan& plan) {
  MatrixBytes bytes;
  for (const Weight& weight : opened.source.spec.weights)
    if (!keeps_precision(weight)) bytes.before += opened.source.weights.stored(weight).bytes;
  for (const OutputTensor& tensor : output_tensors(plan, opened.source.spec, opened.names))
    if (!keeps_precision(tensor.weight)) bytes.after += tensor.step.bytes;
  return bytes;
}

std::optional<Refusal> refused_larger(const Opened& opened, const Plan& plan) {
  if (opened.options.larger == CompressOptions::Larger::kAllow || opened.searches()) return {};
  const MatrixBytes matrices = matrix_bytes(opened, plan);
  const std::uint64_t before = opened.source.file_bytes(), after = opened.bytes_of(plan);
  if (after <= before || static_cast<double>(matrices.after) <= kNoticeable * static_cast<double>(matrices.before))
    return {};
  return Refusal{
      ErrorCode::kInfeasible,
      fmt::format(
          "the result would be larger than its source: {} bytes in {} ({}), and {} has {} bytes{}; take a scheme with "
          "fewer bits, or convert it all the same with `larger=kAllow`",
          after, opened.contents_of(plan), opened.format.name, opened.source.checkpoint.path().string(), before,
          opened.quantized.empty() ? "" : " (its weights are quantized already: " + opened.quantized + ")")};
}

}  // namespace

void check_permissions(const Opened& opened, const Plan& plan) {
  check_damage(opened, plan);
  for (const auto& refused : {refused_requantization, refused_larger})
    if (const std::optional<Refusal> refusal = refused(opened, plan)) throw Error(refusal->code, refusal->why);
}

void check_permissions_early(const Opened& opened, const Plan& plan) {
  if (!opened.options.size || most_bytes(opened) < opened.source.file_bytes()) return check_permissions(opened, plan);
  check_damage(opened, plan);
}

std::vector<std::string> foretold_refusals(const Opened& opened, const Plan& plan) {
  std::vector<std::string> notes;
  for (const auto& refused : {refused_requantization, refused_larger})
    if (const std::optional<Refusal> refusal = refused(opened, plan))
      notes.push_back("compressing refuses this: " + refusal->why);
  return notes;
}

std::vector<std::string> permission_notes(const Opened& opened, const Plan& plan) {
  std::vector<std::string> notes = ternary_notes(opened, plan);
  if (!opened.quantized.empty() && quantized_again(opened, plan) != 0)
    notes.insert(notes.begin(),
                 fmt::format("the source is quantized already: {}; this quantizes it once more, which adds to the loss "
                             "of the first time, and every figure counts from the quantized source",
                             opened.quantized));
  return notes;
}

}  // namespace quern
