// Files named by the hash of their tensor's name, which may hold anything.
#include "sequential/moved_weights.h"

#include <span>
#include <utility>

#include "base/fail.h"
#include "base/sha256.h"

namespace quern {
namespace {

// Of a file of whole rows.
std::uint64_t bytes_of(const Weight& weight) {
  const RowLayout layout = weight.layout();
  return layout.rows * layout.cols * sizeof(float);
}

}  // namespace

std::filesystem::path MovedWeights::path_of(const Weight& weight) const {
  return folder_ / fmt::format("{:.16}.f32", sha256_of(std::as_bytes(std::span(weight.tensor))));
}

const File* MovedWeights::find(const Weight& weight) const {
  const auto found = files_.find(weight.tensor);
  return found == files_.end() ? nullptr : &found->second;
}

std::string MovedWeights::add(const Weight& weight, const Matrix& moved) {
  const RowLayout layout = weight.layout();
  ensure(moved.rows() == layout.rows && moved.cols() == layout.cols, "{} [{}, {}] moved to [{}, {}]", weight.tensor,
         layout.rows, layout.cols, moved.rows(), moved.cols());
  OutputFile file(path_of(weight));
  const ByteSpan bytes = std::as_bytes(moved.flat());
  file.write(bytes);
  file.finish();
  files_.insert_or_assign(weight.tensor, File(path_of(weight)));
  return sha256_of(bytes);
}

void MovedWeights::take(const Weight& weight, const std::string& sha256) {
  File file(path_of(weight));
  if (file.size() != bytes_of(weight) || sha256_of_file(file.path()) != sha256)
    fail(ErrorCode::kInput, "{} was changed: it holds tensor {} as an earlier run had moved it", file.path().string(),
         weight.tensor);
  files_.insert_or_assign(weight.tensor, std::move(file));
}

std::string MovedWeights::identity() const {
  std::string text = base_.identity();
  for (const auto& [name, file] : files_)
    text += fmt::format("{}{} moved to {}", text.empty() ? "" : ", ", name, sha256_of_file(file.path()));
  return text;
}

void MovedWeights::read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  const File* file = find(weight);
  if (!file) return base_.read_rows(weight, first, out);
  check_rows(weight, first, out);
  const std::uint64_t row = weight.layout().cols * sizeof(float);
  for (std::size_t r = 0; r < out.rows; ++r) file->read((first + r) * row, std::as_writable_bytes(out.row(r)));
}

StoredForm MovedWeights::stored(const Weight& weight) const {
  if (!find(weight)) return base_.stored(weight);
  return {base_.stored(weight).shape, kFloat32, bytes_of(weight)};
}

void MovedWeights::read_stored_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  if (find(weight)) return Weights::read_stored_rows(weight, first, out);
  base_.read_stored_rows(weight, first, out);
}

std::vector<PackedRun> MovedWeights::packed_runs(const Weight& weight) const {
  return find(weight) ? std::vector<PackedRun>() : base_.packed_runs(weight);
}

std::vector<PackedTensor> MovedWeights::read_packed(const Weight& weight) const {
  return find(weight) ? std::vector<PackedTensor>() : base_.read_packed(weight);
}

}  // namespace quern
