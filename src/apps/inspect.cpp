// The description of a checkpoint, or, where it has none, whatever its tensors show; sums over the tensor table.
#include "apps/inspect.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "apps/listed_pieces.h"
#include "base/fail.h"
#include "format/formats.h"
#include "model/architectures.h"
#include "model/checkpoint_weights.h"
#include "model/ternary_weights.h"
#include "package/package.h"
#include "package/requantization.h"
#include "plan/weight_site.h"
#include "quern/error.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

// Read for the search of duplicates, at most: about two seconds.
constexpr std::uint64_t kDuplicateBytes = std::uint64_t{1} << 30;

void add(TensorSums& sums, const TensorEntry& entry) {
  sums.tensors += 1;
  sums.elements += element_count(entry.shape);
  sums.bytes += entry.bytes();
}

void add_roles(const Checkpoint& checkpoint, const ModelSpec& spec, Inspection& result) {
  for (const Weight& weight : spec.weights) {
    TensorSums& sums = result.by_role[weight.role];
    if (weight.parts.empty()) add(sums, checkpoint.at(weight.tensor));
    for (const WeightPart& part : weight.parts) add(sums, checkpoint.at(part.tensor));
  }
}

// The result of `describe`; nullopt where it has none.
template <typename What = ModelSpec, typename Describe>
std::optional<What> described(Describe describe) {
  try {
    return describe();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput && error.code() != ErrorCode::kInfeasible) throw;
    return std::nullopt;
  }
}

Evidence evidence_of(const ModelSpec& spec, const std::string& property) {
  const auto found = std::ranges::find(spec.evidence, property, &Evidence::property);
  return found == spec.evidence.end() ? Evidence() : *found;
}

// Only what a configuration says can be contradicted, and only by what tensors show: what is assumed contradicts
// nothing.
std::vector<ExtentDifference> differences(const ModelSpec& claimed, const ModelSpec& shown) {
  std::vector<ExtentDifference> found;
  for (const auto& [name, value] : shown.extents) {
    const auto claim = claimed.extents.find(name);
    if (claim == claimed.extents.end() || claim->second == value) continue;
    const Evidence said = evidence_of(claimed, name), seen = evidence_of(shown, name);
    if (said.kind != Evidence::Kind::kStated || seen.kind == Evidence::Kind::kAssumed) continue;
    found.push_back({name, claim->second, value, said.source, seen.source});
  }
  return found;
}

void describe_without_config(const Checkpoint& checkpoint, Inspection& result) {
  result.inferred = described([&] { return infer_model(checkpoint); });
  if (result.inferred) {
    const std::optional<ModelSpec> claimed = described([&] { return claimed_model(checkpoint); });
    if (claimed) result.differences = differences(*claimed, *result.inferred);
  } else {
    result.inferred = described([&] { return describe_or_outline(checkpoint); });
  }
}

// Sums over weights: a list comes in pieces.
void add_sums(std::uint64_t context, Inspection& result) {
  const Checkpoint& checkpoint = *result.checkpoint;
  QuantizedMatrices quantized;
  result.for_each_piece([&](const ModelSpec& piece) {
    add_roles(checkpoint, piece, result);
    quantized.add(piece, checkpoint);
    const MemoryEstimate memory = estimate_memory(CheckpointWeights(checkpoint), piece, context);
    if (!result.memory) {
      result.memory = memory;
    } else {  // of a list, which has no states
      result.memory->stored += memory.stored;
      result.memory->weights_f32 += memory.weights_f32;
    }
  });
  if (const std::string text = quantized.text(); !text.empty())
    result.notes.push_back(fmt::format(
        "the weights are quantized already: {}; quantizing them once more adds to the first loss, and asks for "
        "`requantize=kAllow`",
        text));
}

std::optional<UnusedRows> unused_rows(const SourceTokenizer& tokenizer, const ModelSpec& spec) {
  if (!tokenizer.problem().empty()) return std::nullopt;
  const Weight& embedding = spec.embedding();
  const RowLayout layout = embedding.layout();
  const auto& pieces = tokenizer.get().vocabulary().pieces;
  const auto used = static_cast<std::uint64_t>(
      std::ranges::count_if(pieces, [](const auto& p) { return p.type != Vocabulary::PieceType::kUnused; }));
  if (used >= layout.rows) return std::nullopt;
  UnusedRows unused{layout.rows - used, layout.rows, (layout.rows - used) * layout.cols, 0};
  for (const Weight& weight : spec.weights) unused.of_parameters += weight.elements();
  return unused;
}

void add_tokenizer_notes(const SourceTokenizer& tokenizer, const ModelSpec& spec, std::vector<std::string>& notes) {
  std::ranges::copy(tokenizer.notes(), std::back_inserter(notes));
  if (!tokenizer.problem().empty()) {
    notes.push_back("text cannot be run: " + tokenizer.problem());
    return;
  }
  if (std::string note = surplus_pieces(tokenizer.get().vocabulary(), spec.embedding().layout().rows); !note.empty())
    notes.push_back(std::move(note));
}

std::optional<TernaryMatrices> ternary_matrices(const Checkpoint& checkpoint, const ModelSpec& spec) {
  ThreadPool pool;
  TernaryMatrices found;
  for (const auto& [index, form] : find_ternary(CheckpointWeights(checkpoint), spec, pool)) {
    if (keeps_precision(spec.weights[index])) continue;
    ++found.count;
    found.by_row += form.scale == TernaryForm::Scale::kRow;
  }
  if (!found.count) return std::nullopt;
  found.of = static_cast<std::uint64_t>(
      std::ranges::count_if(spec.weights, [](const Weight& weight) { return !keeps_precision(weight); }));
  return found;
}

void add_techniques(const SourceTokenizer& tokenizer, Inspection& result) {
  const std::shared_ptr<const Checkpoint>& files = result.checkpoint;
  const auto made_of = [&](ModelSpec& spec) {
    OpenModel model(files, std::move(spec), std::make_unique<const CheckpointWeights>(*files));
    result.techniques = techniques(model, tokenizer);
    spec = std::move(model.spec);
  };
  if (result.spec) return made_of(*result.spec);
  std::optional<ModelSpec> model =
      result.is_list() ? result.inferred : described([&] { return describe_or_outline(*files); });
  if (!model) return;
  if (model->architecture != kUnknownArchitecture) return made_of(*model);
  result.techniques = techniques_of_list(*files, *model, tokenizer);
}

}  // namespace

void Inspection::for_each_piece(const std::function<void(const ModelSpec& piece)>& use) const {
  use(*model());
  if (is_list()) for_each_listed_piece(*checkpoint, use);
}

Inspection inspect_checkpoint(const std::filesystem::path& path, const InspectOptions& options) {
  const auto opened = std::make_shared<const Checkpoint>(open_checkpoint(path));
  const Checkpoint& checkpoint = *opened;
  Inspection result{.path = path.string(),
                    .format = checkpoint.format(),
                    .files = checkpoint.files(),
                    .notes = checkpoint.notes(),
                    .checkpoint = opened};
  for (const SourceFile& file : result.files) result.file_bytes += file.bytes;
  for (const TensorEntry& entry : result.tensors()) {
    add(result.by_encoding[entry.encoding], entry);
    add(result.total, entry);
  }
  try {
    result.spec = describe_model(checkpoint);
    std::ranges::copy(result.spec->notes, std::back_inserter(result.notes));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    result.why_unknown = error.what();
    describe_without_config(checkpoint, result);
  }
  if (result.model()) add_sums(options.context, result);
  // What cannot be decoded is refused by the commands that must.
  if (const ModelSpec* model = result.model())
    result.ternary = described<TernaryMatrices>([&] { return ternary_matrices(checkpoint, *model); });
  const SourceTokenizer tokenizer(checkpoint);
  if (result.spec) {
    result.unused_rows = unused_rows(tokenizer, *result.spec);
    add_tokenizer_notes(tokenizer, *result.spec, result.notes);
  }
  result.duplicates = find_duplicates(checkpoint, kDuplicateBytes);
  add_techniques(tokenizer, result);
  return result;
}

}  // namespace quern
