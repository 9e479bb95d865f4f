// What is replaced is read from memory, all else from the base.
#include "model/replaced_weights.h"

#include "base/checksum.h"
#include "base/fail.h"

namespace quern {

void ReplacedWeights::replace(const std::string& name, PackedTensor packed) { replaced_[name] = std::move(packed); }

const PackedTensor* ReplacedWeights::find(const Weight& weight) const {
  const auto found = replaced_.find(weight.tensor);
  if (found == replaced_.end()) return nullptr;
  const RowLayout given = found->second.layout(), logical = weight.layout();
  ensure(given.rows == logical.rows && given.cols == logical.cols, "tensor {} [{}, {}] replaced by [{}, {}]",
         weight.tensor, logical.rows, logical.cols, given.rows, given.cols);
  return &found->second;
}

std::string ReplacedWeights::identity() const {
  std::string text = base().identity();
  for (const auto& [name, packed] : replaced_) {
    text += fmt::format("{}{} replaced by {}", text.empty() ? "" : ", ", name, packed.codec().name);
    for (std::size_t p = 0; p < packed.codec().planes.size(); ++p)
      text += fmt::format(" {:016x}", checksum_of(packed.plane(p)));
  }
  return text;
}

void ReplacedWeights::read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  const PackedTensor* packed = find(weight);
  if (!packed) return base().read_rows(weight, first, out);
  check_rows(weight, first, out);
  decode_rows(packed->codec(), packed->row(0), first, out);
}

StoredForm ReplacedWeights::stored(const Weight& weight) const {
  const PackedTensor* packed = find(weight);
  if (!packed) return base().stored(weight);
  return {base().stored(weight).shape, std::string(plain_encoding(packed->codec().name)), packed->bytes()};
}

std::vector<PackedRun> ReplacedWeights::packed_runs(const Weight& weight) const {
  const PackedTensor* packed = find(weight);
  if (!packed) return base().packed_runs(weight);
  if (packed->codec().plain) return {};
  return {{&packed->codec(), packed->layout().rows, packed->bytes()}};
}

std::vector<PackedTensor> ReplacedWeights::read_packed(const Weight& weight) const {
  const PackedTensor* packed = find(weight);
  if (!packed) return base().read_packed(weight);
  if (packed->codec().plain) return {};
  return {*packed};
}

}  // namespace quern
