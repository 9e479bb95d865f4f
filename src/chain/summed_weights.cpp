// Sums in single precision, package after package: as a runtime that adds decoded residuals has them.
#include "chain/summed_weights.h"

#include "base/fail.h"

namespace quern {

SummedWeights::SummedWeights(const OpenModel& model, std::vector<const OpenModel*> packages, Form form)
    : model_(model), packages_(std::move(packages)), form_(form) {
  const std::vector<Weight>& weights = model_.spec.weights;
  for (std::size_t w = 0; w < weights.size(); ++w) places_[weights[w].tensor] = w;
  for (const OpenModel* package : packages_) {
    const std::vector<Weight>& theirs = package->spec.weights;
    bool is_alike = theirs.size() == weights.size();
    for (std::size_t w = 0; is_alike && w < weights.size(); ++w)
      is_alike = theirs[w].role == weights[w].role && theirs[w].layout().rows == weights[w].layout().rows &&
                 theirs[w].layout().cols == weights[w].layout().cols;
    if (!is_alike)
      fail(ErrorCode::kInput, "{} and {} have other weights", package->checkpoint.path().string(),
           model_.checkpoint.path().string());
  }
}

std::string SummedWeights::identity() const {
  std::string text = form_ == Form::kSum ? "the sum of" : "less";
  for (const OpenModel* package : packages_) text += " " + package->checkpoint.path().filename().string();
  return text;
}

void SummedWeights::read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  const std::size_t place = places_.at(weight.tensor);
  check_rows(weight, first, out);
  Matrix sum(out.rows, out.cols), part(out.rows, out.cols);
  for (const OpenModel* package : packages_) {
    package->weights.read_rows(package->spec.weights[place], first, part.view());
    for (std::size_t k = 0; k < sum.flat().size(); ++k) sum.flat()[k] += part.flat()[k];
  }
  if (form_ == Form::kRemainder) model_.weights.read_rows(model_.spec.weights[place], first, part.view());
  for (std::size_t i = 0; i < out.rows; ++i)
    for (std::size_t c = 0; c < out.cols; ++c)
      out.row(i)[c] = form_ == Form::kSum ? sum.row(i)[c] : part.row(i)[c] - sum.row(i)[c];
}

}  // namespace quern
