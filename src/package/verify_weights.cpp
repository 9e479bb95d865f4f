// The steps of encoding gone through again: same tasks, same order of sums.
#include "package/verify_weights.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "base/interruption.h"
#include "encode/tensor_encoding.h"
#include "model/packed_rows.h"
#include "packed/quantized_types.h"
#include "quern/error.h"

namespace quern {
namespace {

// What a tensor is found to be.
struct Found {
  EncodeError error;
  std::optional<RowTask> differs;  // the first rows whose bytes are not what encoding them gives
  bool shared_differs = false;     // what all rows share, or where they begin
};

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) { return std::ranges::equal(a, b); }

bool have_same_rows(const PackedTensor& a, const PackedTensor& b) {
  for (std::size_t p = 0; p < a.codec().planes.size(); ++p)
    if (!same_bytes(a.plane(p), b.plane(p))) return false;
  return true;
}

class WeightComparison {
 public:
  WeightComparison(Verification& v, const ComparedModels& models) : v_(v), models_(models), known_(models.statistics) {}

  void compare(const PlanStep& step, const EncodeError& recorded) {
    const TensorEntry* entry = models_.package.find(step.output);
    const ExportedWeight* exported = exported_as(step, entry);
    if (!exported || !entry || was_named(*entry) || v_.wrong_tensors.contains(step.output)) return;
    const ExportedRows rows(models_.original.weights, models_.original.spec.weights[exported->weight], *exported);
    ++v_.result.compared;
    try {
      judge(step, recorded, found(step, recorded, rows, *entry));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInput) throw;
      v_.problem("tensor {} cannot be compared: {}", step.output, error.what());
    }
  }

 private:
  // The weight of the original that a step was made from; null, and a problem said, where there is none.
  const ExportedWeight* exported_as(const PlanStep& step, const TensorEntry* entry) {
    const auto found = std::ranges::find(models_.names.weights, step.output, &ExportedWeight::name);
    const bool is_there = found != models_.names.weights.end();
    const Weight* weight = is_there ? &models_.original.spec.weights[found->weight] : nullptr;
    if (!weight || found->source_name(*weight) != step.tensor) {
      v_.problem("tensor {} was made from {}, and the original has no such tensor for it", step.output, step.tensor);
    } else if (entry && found->output_shape(*weight) != entry->shape) {
      v_.problem("tensor {} has another shape than the original's {}", step.output, step.tensor);
    } else {
      return &*found;
    }
    return nullptr;
  }

  // Whether a problem of its bytes was said already.
  bool was_named(const TensorEntry& entry) const {
    return std::ranges::any_of(entry.parts, [&](const TensorPart& part) {
      return v_.changed_tensors.contains({models_.package.files()[part.file].path.filename().string(), part.offset});
    });
  }

  bool is_repeatable(const PlanStep& step, const EncodeError& recorded) const {
    if (find_optimizer(step.optimizer).needs == Optimizer::Needs::kNothing) return true;
    return known_.are_complete() && recorded.output_energy == 0;  // by no Hessian
  }

  Found found(const PlanStep& step, const EncodeError& recorded, const ExportedRows& rows, const TensorEntry& entry) {
    const std::shared_ptr<const Codec> stored = tensor_codec(models_.package, entry);
    const bool again = is_repeatable(step, recorded) && entry.encoding == step.codec;
    const TensorEncoding encoding =
        again ? measure_encoding(rows, step, known_.inputs(), v_.pool) : TensorEncoding{stored, {}};
    const std::vector<RowTask> tasks = row_tasks(rows, *stored);
    std::vector<EncodeError> errors(tasks.size());
    std::vector<std::uint8_t> differs(tasks.size());
    v_.pool.run(tasks.size(), [&](std::size_t t) {
      check_interrupted(v_.observer);
      const Matrix wanted = rows.rows(tasks[t].first, tasks[t].count);
      const auto inputs = rows.inputs(known_.inputs(), tasks[t].expert);
      const PackedTensor packed = read_packed_rows(models_.package, entry, stored, tasks[t].first, tasks[t].count);
      errors[t] = measure_error(wanted.view(), *inputs, packed);
      if (!again) return;
      const EncodedRows encoded = encode_rows(rows, step, encoding.codec, *inputs, tasks[t]);
      differs[t] = !have_same_rows(packed, encoded.packed);
    });
    Found result;
    for (const EncodeError& error : errors) result.error += error;
    if (const auto first = std::ranges::find(differs, 1); first != differs.end())
      result.differs = tasks[static_cast<std::size_t>(first - differs.begin())];
    result.shared_differs = again && !has_shared(entry, encoding);
    return result;
  }

  // What is not in any row of it.
  bool has_shared(const TensorEntry& entry, const TensorEncoding& encoding) const {
    if (encoding.is_measured() && !has_part(entry, 1, std::as_bytes(std::span(encoding.offsets)))) return false;
    const TensorSide* side = encoding.codec->tensor_side;
    return !side || has_part(entry, entry.parts.size() - 1, side->serialise());
  }

  bool has_part(const TensorEntry& entry, std::size_t part, std::span<const std::byte> wanted) const {
    if (entry.parts[part].bytes != wanted.size()) return false;
    std::vector<std::byte> bytes(wanted.size());
    models_.package.read(entry, part, 0, bytes);
    return same_bytes(bytes, wanted);
  }

  void judge(const PlanStep& step, const EncodeError& recorded, const Found& found) {
    if (!std::isfinite(found.error.plain))
      return v_.problem("tensor {} decodes to values that are not finite", step.output);
    if (found.differs)
      v_.differs("tensor {} differs from the original encoded again ({}, {}), first in rows {} to {}", step.output,
                 step.codec, step.optimizer, found.differs->first, found.differs->first + found.differs->count - 1);
    else if (found.shared_differs)
      v_.differs("tensor {} differs from the original encoded again ({}), in what its rows share", step.output,
                 step.codec);
    if ((found.differs || found.shared_differs) && v_.is_repeatable()) return;
    if (!has_same_error(found.error, recorded))
      v_.problem("tensor {} differs from the original by {:.17g} (sum of squares), the manifest says {:.17g}",
                 step.output, found.error.plain, recorded.plain);
  }

  bool has_same_error(const EncodeError& found, const EncodeError& recorded) const {
    if (!v_.is_repeatable())
      return std::abs(found.plain - recorded.plain) <= 1e-6 * std::max(found.plain, recorded.plain);
    if (found.plain != recorded.plain || found.plain_energy != recorded.plain_energy) return false;
    return !known_.are_complete() ||
           (found.weighted == recorded.weighted && found.weighted_energy == recorded.weighted_energy);
  }

  Verification& v_;
  const ComparedModels& models_;
  const PackageStatistics& known_;
};

// Tensors of the source that went along, and those that the container wants besides.
class OtherTensors {
 public:
  OtherTensors(Verification& v, const ComparedModels& models) : v_(v), models_(models) {}

  void compare() {
    std::set<std::string_view> known;
    for (const ExportedWeight& weight : models_.names.weights) known.insert(weight.name);
    for (const ExtraTensor& extra : models_.names.extras) {
      known.insert(extra.name);
      const auto wanted = std::as_bytes(std::span(extra.values));
      if (const TensorEntry* entry = there(extra.name); entry && !equal(*entry, wanted))
        v_.problem("tensor {} has other values than the container's programs are to get", extra.name);
    }
    for (const std::string& name : models_.names.copied) {
      known.insert(name);
      if (const TensorEntry* entry = there(name); entry && !is_copy(*entry, models_.original.checkpoint.at(name)))
        v_.problem("tensor {} is not a copy of the original's", name);
    }
    for (const TensorEntry& entry : models_.package.tensors())
      if (!known.contains(entry.name)) v_.problem("tensor {} was made from nothing of the original", entry.name);
  }

 private:
  const TensorEntry* there(const std::string& name) {
    const TensorEntry* entry = models_.package.find(name);
    if (!entry) v_.problem("tensor {} is missing", name);
    return entry;
  }

  bool equal(const TensorEntry& entry, std::span<const std::byte> wanted) const {
    if (entry.parts.size() != 1 || entry.parts[0].bytes != wanted.size()) return false;
    std::vector<std::byte> bytes(wanted.size());
    models_.package.read(entry, 0, 0, bytes);
    return same_bytes(bytes, wanted);
  }

  bool is_copy(const TensorEntry& entry, const TensorEntry& source) const {
    if (entry.encoding != encoding_of_copy(source.encoding) || entry.shape != source.shape ||
        entry.parts.size() != source.parts.size())
      return false;
    constexpr std::uint64_t kBytes = std::uint64_t{4} << 20;
    std::vector<std::byte> copy, wanted;
    for (std::size_t p = 0; p < entry.parts.size(); ++p) {
      if (entry.parts[p].bytes != source.parts[p].bytes) return false;
      for (std::uint64_t at = 0; at < entry.parts[p].bytes; at += kBytes) {
        copy.resize(std::min(kBytes, entry.parts[p].bytes - at));
        wanted.resize(copy.size());
        models_.package.read(entry, p, at, copy);
        models_.original.checkpoint.read(source, p, at, wanted);
        if (copy != wanted) return false;
      }
    }
    return true;
  }

  Verification& v_;
  const ComparedModels& models_;
};

}  // namespace

void compare_weights(Verification& v, const ComparedModels& models, std::size_t stride) {
  const std::vector<ManifestTensor>& tensors = v.manifest.tensors;
  if (models.names.weights.size() != tensors.size())
    return v.problem("the original has {} weights, the plan {}", models.names.weights.size(), tensors.size());
  v.observer.stage("compare tensors", (tensors.size() + stride - 1) / stride);
  WeightComparison comparison(v, models);
  for (std::size_t i = 0; i < tensors.size(); i += stride) {
    check_interrupted(v.observer);
    comparison.compare(tensors[i].step, tensors[i].error);
    v.observer.advance(tensors[i].step.output);
  }
  OtherTensors(v, models).compare();
}

}  // namespace quern
