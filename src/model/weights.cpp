// What every source of weights can do by its logical rows alone.
#include "model/weights.h"

#include "base/fail.h"

namespace quern {

Matrix Weights::read(const Weight& weight) const {
  const RowLayout logical = weight.layout();
  Matrix out(logical.rows, logical.cols);
  read_rows(weight, 0, out.view());
  return out;
}

// The stored tensor has the elements of the logical matrix in their order, or those of its transpose.
void Weights::read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  const bool turns = weight.storage == Weight::Storage::kTransposed;
  if (!turns && out.cols == weight.layout().cols) return read_rows(weight, first, out);
  const Matrix whole = read(weight);
  ensure((first + out.rows) * out.cols <= whole.flat().size() && (!turns || out.cols == whole.rows()),
         "weight {} [{}, {}]: stored rows {} to {} of {} columns were asked for", weight.tensor, whole.rows(),
         whole.cols(), first, first + out.rows, out.cols);
  for (std::size_t i = 0; i < out.rows; ++i)
    for (std::size_t k = 0; k < out.cols; ++k)
      out.row(i)[k] = turns ? whole.row(k)[first + i] : whole.flat()[(first + i) * out.cols + k];
}

void WeightsOverlay::read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  if (changes(weight)) return Weights::read_stored_rows(weight, first, out);
  base_.read_stored_rows(weight, first, out);
}

std::vector<PackedRun> WeightsOverlay::packed_runs(const Weight& weight) const {
  return changes(weight) ? std::vector<PackedRun>() : base_.packed_runs(weight);
}

std::vector<PackedTensor> WeightsOverlay::read_packed(const Weight& weight) const {
  return changes(weight) ? std::vector<PackedTensor>() : base_.read_packed(weight);
}

void check_rows(const Weight& weight, std::size_t first, MutableMatrixView out) {
  const RowLayout logical = weight.layout();
  ensure(out.cols == logical.cols && first <= logical.rows && out.rows <= logical.rows - first,
         "weight {} [{}, {}]: rows {} to {} of {} columns were asked for", weight.tensor, logical.rows, logical.cols,
         first, first + out.rows, out.cols);
}

std::vector<PackedRun> Weights::packed_runs(const Weight&) const { return {}; }

std::vector<PackedTensor> Weights::read_packed(const Weight&) const { return {}; }

const Codec& stored_codec(const Weights& weights, const Weight& weight) {
  const std::string encoding = weights.stored(weight).encoding;
  if (const Codec* codec = find_decoder(encoding)) return *codec;
  fail(ErrorCode::kInput, "{}: tensor {} is stored as {}, which cannot be decoded to weights", weights.name(),
       weight.tensor, encoding);
}

}  // namespace quern
