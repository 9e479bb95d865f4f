// Told by the values of the matrices, whatever the model is called.
#include "compress/ternary_steps.h"

#include <algorithm>

#include "base/fail.h"
#include "codec/packed_tensor.h"
#include "codec/ternary.h"
#include "optim/encode_error.h"
#include "plan/better_codec.h"

namespace quern {
namespace {

// Rows that the loss is measured on, at most: enough for two digits of it.
constexpr std::size_t kMatricesTried = 8;
constexpr std::uint64_t kRowsTried = 8;

std::string matrices(std::size_t count) { return fmt::format("{} {}", count, count == 1 ? "matrix" : "matrices"); }

struct TernarySteps {
  std::vector<OutputTensor> damaged, kept;
};

TernarySteps ternary_steps(const Opened& opened, const Plan& plan) {
  TernarySteps steps;
  for (const OutputTensor& tensor : output_tensors(plan, opened.source.spec, opened.names)) {
    const Codec* codec = find_codec(tensor.step.codec);
    if (codec && is_ternary(*codec))
      (keeps_three_values(opened, tensor) ? steps.kept : steps.damaged).push_back(tensor);
  }
  return steps;
}

// Squared error over the sum of squares, by rounding with the best scales, on the first rows of some of the matrices.
double relative_error(const Opened& opened, const std::vector<OutputTensor>& tensors) {
  EncodeError sum;
  const std::size_t stride = (tensors.size() + kMatricesTried - 1) / kMatricesTried;
  for (std::size_t i = 0; i < tensors.size(); i += stride) {
    const RowLayout layout = tensors[i].weight.layout();
    const Codec& codec = *find_codec(tensors[i].step.codec);
    if (!codec.divides(layout.cols)) continue;
    Matrix rows(std::min(kRowsTried, layout.rows), layout.cols);
    opened.source.weights.read_rows(tensors[i].weight, 0, rows.view());
    sum += measure_error(rows.view(), {}, encode_tensor(codec, rows.view()));
  }
  return sum.relative_plain();
}

// The scheme of the same container whose matrices have the next more bits; null: there is none.
const Scheme* sensible_scheme(const Opened& opened, const Codec& ternary) {
  const Codec* better = next_better_codec(ternary, opened.format, 0);
  for (const Scheme* scheme : schemes())
    if (better && scheme->format == std::string_view(opened.format.name) &&
        scheme->codec == std::string_view(better->name))
      return scheme;
  return nullptr;
}

}  // namespace

bool keeps_three_values(const Opened& opened, const OutputTensor& tensor) {
  const Codec* codec = find_codec(tensor.step.codec);
  if (!codec || !is_ternary(*codec) || tensor.exported.transform != ExportedWeight::Transform::kNone) return false;
  const auto form = opened.ternary().find(tensor.exported.weight);
  // What is trained has one scale of the whole tensor.
  return form != opened.ternary().end() && (!codec->train || form->second.scale == TernaryForm::Scale::kTensor);
}

void check_damage(const Opened& opened, const Plan& plan) {
  if (opened.options.damage == CompressOptions::Damage::kAllow) return;
  const std::vector<OutputTensor> damaged = ternary_steps(opened, plan).damaged;
  if (damaged.empty()) return;
  const Codec& codec = *find_codec(damaged.front().step.codec);
  const Scheme* instead = sensible_scheme(opened, codec);
  fail(ErrorCode::kUsage,
       "{} has three values, and {} of {} {} not trained to have only three: {:.0f}% of {} energy would be lost even "
       "with the best scales, which ruins an ordinary model (its text becomes nonsense). Take {}with more bits, or "
       "write it all the same with `damage=kAllow`",
       codec.name, matrices(damaged.size()), opened.source.checkpoint.path().string(),
       damaged.size() == 1 ? "was" : "were", 100 * relative_error(opened, damaged),
       damaged.size() == 1 ? "its" : "their",
       instead ? fmt::format("the scheme {}, the nearest ", instead->name) : std::string("one "));
}

std::vector<std::string> ternary_notes(const Opened& opened, const Plan& plan) {
  const TernarySteps steps = ternary_steps(opened, plan);
  std::vector<std::string> notes;
  if (!steps.damaged.empty())
    notes.push_back(fmt::format(
        "{} have three values only ({}), though {} not trained so: {:.0f}% of the energy of such a matrix is lost by "
        "rounding with the best scales, and the model is ruined by it",
        matrices(steps.damaged.size()), steps.damaged.front().step.codec,
        steps.damaged.size() == 1 ? "it was" : "they were", 100 * relative_error(opened, steps.damaged)));
  if (steps.kept.empty()) return notes;
  double apart = 0;
  for (const OutputTensor& tensor : steps.kept) {
    const TernaryForm& form = opened.ternary().at(tensor.exported.weight);
    const bool has_whole_scale = find_codec(tensor.step.codec)->train != nullptr;  // others have it as binary16
    apart = std::max(apart, form.deviation + (has_whole_scale ? 0 : form.f16_error));
  }
  const std::string exactly =
      apart == 0 ? "come back exactly" : fmt::format("come back to {:.1g} of their size", apart);
  notes.push_back(fmt::format("{} have three values, and {} from {}", matrices(steps.kept.size()), exactly,
                              steps.kept.front().step.codec));
  return notes;
}

}  // namespace quern
