// Files named by the hash of their tensor's name, which may hold anything.
#include "sequential/moved_weights.h"

#include <algorithm>
#include <span>

#include "base/fail.h"
#include "base/file.h"
#include "base/sha256.h"

namespace quern {
namespace {

constexpr std::uint64_t kWeightsAtOnce = 1 << 22;

// Of a file of whole rows.
std::uint64_t bytes_of(const Weight& weight) {
  const RowLayout layout = weight.layout();
  return layout.rows * layout.cols * sizeof(float);
}

}  // namespace

std::filesystem::path MovedWeights::path_of(const Weight& weight) const {
  return folder_ / fmt::format("{:.16}.f32", sha256_of(std::as_bytes(std::span(weight.tensor))));
}

std::string MovedWeights::add(const Weight& weight, const RowsMoved& moved) {
  const RowLayout layout = weight.layout();
  const std::uint64_t together = std::max<std::uint64_t>(1, kWeightsAtOnce / std::max<std::uint64_t>(1, layout.cols));
  OutputFile file(path_of(weight));
  Sha256 hash;
  for (std::uint64_t first = 0; first < layout.rows; first += together) {
    const std::uint64_t count = std::min(together, layout.rows - first);
    const Matrix rows = moved(first, count);
    ensure(rows.rows() == count && rows.cols() == layout.cols, "{} rows of {} of {}, [{}, {}]", rows.rows(), count,
           weight.tensor, layout.rows, layout.cols);
    file.write(std::as_bytes(rows.flat()));
    hash.update(std::as_bytes(rows.flat()));
  }
  file.finish();
  return moved_[weight.tensor] = hash.hex();
}

void MovedWeights::take(const Weight& weight, const std::string& sha256) {
  const std::filesystem::path path = path_of(weight);
  if (File(path).size() != bytes_of(weight) || sha256_of_file(path) != sha256)
    fail(ErrorCode::kInput, "{} was changed: it holds tensor {} as an earlier run had moved it", path.string(),
         weight.tensor);
  moved_[weight.tensor] = sha256;
}

std::string MovedWeights::identity() const {
  std::string text = base().identity();
  for (const auto& [name, sha256] : moved_)
    text += fmt::format("{}{} moved to {}", text.empty() ? "" : ", ", name, sha256);
  return text;
}

void MovedWeights::read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  if (!changes(weight)) return base().read_rows(weight, first, out);
  check_rows(weight, first, out);
  const File file(path_of(weight));  // not kept open: a model has more matrices than a process may have files
  const std::uint64_t row = weight.layout().cols * sizeof(float);
  for (std::size_t r = 0; r < out.rows; ++r) file.read((first + r) * row, std::as_writable_bytes(out.row(r)));
}

StoredForm MovedWeights::stored(const Weight& weight) const {
  if (!changes(weight)) return base().stored(weight);
  return {base().stored(weight).shape, kFloat32, bytes_of(weight)};
}

}  // namespace quern
