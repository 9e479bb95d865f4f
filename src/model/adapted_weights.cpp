// Sums of rank-one products over rows that were read.
#include "model/adapted_weights.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/printable.h"
#include "format/formats.h"
#include "model/adapter_gaps.h"

namespace quern {
namespace {

// What bases and adapters call the same module: with the head, and without it ("h.0.attn" in GPT-2's own files).
constexpr std::string_view kOuter[] = {"model.", "transformer.", "backbone.", "language_model."};

std::vector<std::string> spellings(const std::string& name) {
  std::vector<std::string> all = {name};
  for (const std::string_view outer : kOuter) {
    if (name.starts_with(outer)) all.push_back(name.substr(outer.size()));
    all.push_back(std::string(outer) + name);
  }
  return all;
}

// Where a tensor of the checkpoint lies in a logical matrix.
struct Place {
  const Weight* weight = nullptr;
  std::uint64_t first = 0, rows = 0;
};

Place find_place(const ModelSpec& spec, const std::string& tensor) {
  for (const std::string& name : spellings(tensor))
    for (const Weight& weight : spec.weights) {
      if (weight.parts.empty() && weight.tensor == name) return {&weight, 0, weight.layout().rows};
      std::uint64_t first = 0;
      for (const WeightPart& part : weight.parts) {
        if (part.tensor == name) return {&weight, first, part.rows};
        first += part.rows;
      }
    }
  return {};
}

// Whether every weight has a code of its own, and a value that depends on nothing else.
bool is_float(const Codec* codec) {
  return codec && codec->block == 0 && codec->side_bytes == 0 && !codec->is_measured() && !codec->train;
}

void round_to(const Codec& codec, MutableMatrixView out) {
  std::vector<std::int32_t> codes(out.cols);
  std::vector<float> values(out.cols);
  for (std::size_t i = 0; i < out.rows; ++i) {
    codec.round(codec, nullptr, 0, out.row(i), {}, codes, values);
    std::ranges::copy(values, out.row(i).begin());
  }
}

double length_of(std::span<const double> row) {
  double sum = 0;
  for (const double value : row) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace

AdaptedWeights::AdaptedWeights(std::unique_ptr<const Weights> base, const ModelSpec& spec, const Checkpoint& files,
                               const std::filesystem::path& adapter)
    : WeightsOverlay(*base), owned_(std::move(base)), adapter_(read_adapter(adapter)), tensors_(adapter_.tensors) {
  if (find_format(files.format()).dialect != Dialect::kTransformers)
    fail(ErrorCode::kInput,
         "an adapter names the weights as transformers does, and {} is {}; open the checkpoint that it was made from",
         files.path().string(), files.format());
  for (const LowRankUpdate& update : adapter_.updates) add_update(update, spec);
  for (const ReplacedTensor& replaced : adapter_.replaced) add_replaced(replaced, spec);
  notes_ = adapter_gaps(adapter_, spec);
  if (changes_.empty()) fail(ErrorCode::kInput, "the adapter {} changes nothing", adapter.string());
}

void AdaptedWeights::refuse(const std::string& what, const std::string& has, const ModelSpec& spec) const {
  const Place place = find_place(spec, what);
  std::string side = "no weight of that name";
  if (place.weight)
    side = fmt::format("[{}, {}] there", place.rows, place.weight->layout().cols);
  else if (const Weight* sample = spec.weights.empty() ? nullptr : &spec.weights.back())
    side += fmt::format(
        " (its weights are called as {}{})", printable_line(sample->tensor),
        spec.tied_head ? ", and its head is tied to the embedding: merge an adapter of the head with PEFT" : "");
  fail(ErrorCode::kInput, "the adapter {} was made for another model{}: it has {} for {}, and {} has {}",
       adapter_.folder.string(), adapter_.base.empty() ? "" : " (its base is " + printable_line(adapter_.base) + ")",
       has, printable_line(what), base().name(), side);
}

void AdaptedWeights::add_update(const LowRankUpdate& update, const ModelSpec& spec) {
  const std::string tensor = update.module + ".weight";
  const Place place = find_place(spec, tensor);
  if (!place.weight || place.rows != update.outputs || place.weight->layout().cols != update.inputs)
    refuse(tensor, fmt::format("[{}, {}] of rank {}", update.outputs, update.inputs, update.rank), spec);
  changes_[place.weight->tensor].push_back({place.first, place.rows, &update, nullptr});
}

void AdaptedWeights::add_replaced(const ReplacedTensor& replaced, const ModelSpec& spec) {
  const Place place = find_place(spec, replaced.name);
  const Shape& shape = adapter_.tensors.at(replaced.tensor).shape;
  if (!place.weight || element_count(shape) != place.rows * place.weight->layout().cols ||
      (place.weight->parts.empty() && shape != base().stored(*place.weight).shape))
    refuse(replaced.name, to_string(shape), spec);
  if (spec.tied_head && place.weight == &spec.embedding())
    fail(ErrorCode::kInput,
         "the adapter {} has an embedding of its own, and the head of {} is tied to the embedding: PEFT unties them, "
         "which is not done here; merge it with PEFT (merge_and_unload), and open the result",
         adapter_.folder.string(), base().name());
  std::vector<Change>& changes = changes_[place.weight->tensor];
  changes.insert(changes.begin(), {place.first, place.rows, nullptr, &replaced});  // before what is added to it
}

std::string AdaptedWeights::identity() const {
  const std::string below = base().identity();
  return below.empty() ? adapter_.identity : below + ", " + adapter_.identity;
}

const std::vector<AdaptedWeights::Change>* AdaptedWeights::changes_of(const Weight& weight) const {
  const auto found = changes_.find(weight.tensor);
  return found == changes_.end() ? nullptr : &found->second;
}

void AdaptedWeights::check_finite(const std::string& tensor, MatrixView values) const {
  std::size_t bad = 0;
  for (std::size_t i = 0; i < values.rows; ++i)
    bad += static_cast<std::size_t>(std::ranges::count_if(values.row(i), [](float v) { return !std::isfinite(v); }));
  if (bad)
    fail(ErrorCode::kInput, "tensor {} of {} holds {} NaN and infinite values; the adapter is damaged",
         printable(tensor), adapter_.tensors.files().front().path.string(), bad);
}

// W + scale * B A, of rows `first` and on.
void AdaptedWeights::update_rows(const LowRankUpdate& update, std::size_t first, MutableMatrixView out) const {
  // Of an embedding the roles are exchanged: its rows are columns of A.
  const Matrix a = tensors_.read(update.a);
  Matrix b(update.of_embedding ? a.rows() : out.rows, update.of_embedding ? 0 : update.rank);
  const Matrix whole_b = update.of_embedding ? tensors_.read(update.b) : Matrix(0, 0);
  if (!update.of_embedding) tensors_.read_rows(update.b, first, b.view());
  const Matrix magnitude = update.magnitude.empty() ? Matrix(0, 0) : tensors_.read(update.magnitude);
  check_finite(update.a, a.view());
  check_finite(update.b, update.of_embedding ? whole_b.view() : b.view());
  if (!update.magnitude.empty()) check_finite(update.magnitude, magnitude.view());
  std::vector<double> row(out.cols);
  for (std::size_t i = 0; i < out.rows; ++i) {
    std::ranges::fill(row, 0);
    for (std::size_t r = 0; r < update.rank; ++r) {
      const double factor = update.of_embedding ? a.row(r)[first + i] : b.row(i)[r];
      for (std::size_t k = 0; k < row.size(); ++k)
        row[k] += factor * double{update.of_embedding ? whole_b.row(k)[r] : a.row(r)[k]};
    }
    for (std::size_t k = 0; k < row.size(); ++k) row[k] = double{out.row(i)[k]} + update.scale * row[k];
    const double to_length = update.magnitude.empty() ? 1 : double{magnitude.flat()[first + i]} / length_of(row);
    for (std::size_t k = 0; k < row.size(); ++k) out.row(i)[k] = static_cast<float>(to_length * row[k]);
  }
}

void AdaptedWeights::replace_rows(const ReplacedTensor& replaced, const Weight& weight, std::size_t first,
                                  MutableMatrixView out) const {
  if (weight.module_storage == Weight::Storage::kTransposed) {
    const Matrix whole = tensors_.read(replaced.tensor);
    for (std::size_t i = 0; i < out.rows; ++i)
      for (std::size_t k = 0; k < out.cols; ++k) out.row(i)[k] = whole.row(k)[first + i];
    return;
  }
  // Rows of another cut (a vector, an axis more) hold the same elements in the same order.
  const RowLayout layout = tensors_.layout(replaced.tensor);
  if (layout.cols == out.cols) return tensors_.read_rows(replaced.tensor, first, out);
  const Matrix whole = tensors_.read(replaced.tensor);
  for (std::size_t i = 0; i < out.rows; ++i)
    std::ranges::copy(whole.flat().subspan((first + i) * out.cols, out.cols), out.row(i).begin());
}

// The part of `out`, which begins at row `first` of the weight, that the change reaches.
void AdaptedWeights::apply(const Change& change, const Weight& weight, std::size_t first, MutableMatrixView out) const {
  const std::uint64_t begin = std::max<std::uint64_t>(first, change.first),
                      end = std::min<std::uint64_t>(first + out.rows, change.first + change.rows);
  if (begin >= end) return;
  const MutableMatrixView rows{out.data + (begin - first) * out.stride, end - begin, out.cols, out.stride};
  if (change.update) return update_rows(*change.update, begin - change.first, rows);
  replace_rows(*change.replaced, weight, begin - change.first, rows);
  check_finite(change.replaced->tensor, rows);
}

void AdaptedWeights::read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const {
  base().read_rows(weight, first, out);
  const std::vector<Change>* changes = changes_of(weight);
  if (!changes) return;
  with_context(fmt::format("while merging the adapter {} into {}", adapter_.folder.string(), weight.tensor), [&] {
    for (const Change& change : *changes) apply(change, weight, first, out);
  });
  if (const Codec* codec = find_codec(stored(weight).encoding)) round_to(*codec, out);
}

// Numbers of a packed base are on its grid no more.
StoredForm AdaptedWeights::stored(const Weight& weight) const {
  StoredForm form = base().stored(weight);
  if (!changes_of(weight)) return form;
  form.encoding = plain_encoding(form.encoding);
  if (!is_float(find_codec(form.encoding))) form.encoding = kFloat32;
  return form;
}

}  // namespace quern
