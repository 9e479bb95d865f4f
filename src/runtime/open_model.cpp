// Opening a model, and what can be said of it as a whole.
#include "runtime/open_model.h"

#include <functional>
#include <set>
#include <string_view>
#include <unordered_set>

#include "base/counted.h"
#include "base/fail.h"
#include "base/printable.h"
#include "checkpoint/hub_cache.h"
#include "format/formats.h"
#include "model/adapted_weights.h"
#include "model/checkpoint_weights.h"
#include "text/name_pattern.h"

namespace quern {
namespace {

Checkpoint dropped(Checkpoint checkpoint, const std::vector<std::string>& drop) {
  if (drop.empty()) return checkpoint;
  std::set<std::string, std::less<>> names;
  for (const std::string& text : drop) {
    const NamePattern pattern(text);
    const std::size_t before = names.size();
    for (const TensorEntry& entry : checkpoint.tensors())
      if (pattern.matches(entry.name)) names.insert(entry.name);
    if (names.size() == before)
      fail(ErrorCode::kUsage, "`drop` names \"{}\", and {} has no {}tensor of that name", text,
           checkpoint.path().string(), before == 0 ? "" : "further ");
  }
  return std::move(checkpoint)
      .without([&](const TensorEntry& entry) { return names.contains(entry.name); },
               fmt::format("{} left out, as asked: {}{}", counted(names.size(), "tensor"), *names.begin(),
                           names.size() > 1 ? ", ..." : ""));
}

}  // namespace

OpenModel::OpenModel(const std::filesystem::path& path, Unrecognised unrecognised)
    : OpenModel(open_model({path, {}, {}}, unrecognised)) {}

OpenModel::OpenModel(std::shared_ptr<const Checkpoint> files, ModelSpec description,
                     std::unique_ptr<const Weights> source)
    : owned_checkpoint_(std::move(files)),
      owned_weights_(std::move(source)),
      checkpoint(*owned_checkpoint_),
      spec(std::move(description)),
      weights(*owned_weights_) {}

OpenModel open_model(const ModelSource& source, Unrecognised unrecognised) {
  auto checkpoint = std::make_unique<const Checkpoint>(dropped(open_checkpoint(source.path), source.drop));
  ModelSpec spec = unrecognised == Unrecognised::kList ? describe_or_list(*checkpoint) : describe_model(*checkpoint);
  std::unique_ptr<const Weights> weights = std::make_unique<const CheckpointWeights>(*checkpoint);
  std::string adapter_base;
  if (!source.adapter.empty()) {
    auto adapted = std::make_unique<const AdaptedWeights>(std::move(weights), spec, *checkpoint, source.adapter);
    adapter_base = adapted->base_model();
    spec.notes.insert(spec.notes.end(), adapted->notes().begin(), adapted->notes().end());
    weights = std::move(adapted);
  }
  OpenModel model(std::move(checkpoint), std::move(spec), std::move(weights));
  model.adapter = source.adapter;
  model.adapter_base = std::move(adapter_base);
  model.dropped = source.drop;
  return model;
}

std::uint64_t OpenModel::parameters() const {
  std::uint64_t sum = 0;
  std::unordered_set<std::string_view> seen;
  for (const Weight& weight : spec.weights)
    if (seen.insert(weight.tensor).second) sum += weight.elements();
  return sum;
}

std::uint64_t OpenModel::file_bytes() const {
  std::uint64_t sum = 0;
  for (const SourceFile& file : checkpoint.files()) sum += file.bytes;
  return sum;
}

std::string OpenModel::name() const {
  std::error_code ec;
  if (const auto name = name_in_hub_cache(checkpoint.path()))  // whose files are links to others without their names
    return checkpoint.config().is_null() ? checkpoint.path().stem().string() : *name;
  const std::filesystem::path full = std::filesystem::canonical(checkpoint.path(), ec);
  return without_unprintable(std::filesystem::is_directory(full, ec) ? full.filename().string() : full.stem().string());
}

}  // namespace quern
