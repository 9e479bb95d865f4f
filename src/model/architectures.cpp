// The table of architectures, and how a checkpoint finds its row.
#include "model/architectures.h"

#include <algorithm>
#include <vector>

#include "base/counted.h"
#include "base/fail.h"
#include "base/names.h"
#include "base/python_json.h"
#include "checkpoint/described_files.h"
#include "model/tensor_table.h"
#include "model/unknown_model.h"

namespace quern {
namespace {

constexpr const Architecture* kArchitectures[] = {
    &kLlama, &kMixtral, &kQwen3, &kBitnet, &kGpt2, &kMamba, &kIteraLite,
};

std::string known_names() {
  std::string text;
  for (const Architecture* row : kArchitectures) text += (text.empty() ? "" : ", ") + std::string(row->name);
  return text;
}

// What the checkpoint calls itself.
std::string claimed(const Checkpoint& checkpoint) {
  const MetaValue* type = checkpoint.metadata().find("general.type");
  if (type && *type == MetaValue(std::string("imatrix")))
    return "general.type \"imatrix\", which makes it an importance matrix and no model";
  if (const MetaValue* value = checkpoint.metadata().find("general.architecture")) {
    const auto* text = std::get_if<std::string>(value);
    return fmt::format("general.architecture {}", text ? "\"" + *text + "\"" : "that is not a text");
  }
  const Json& config = checkpoint.config();
  if (config.is_null()) return "neither a config.json nor a general.architecture";
  std::string text;
  for (const char* key : {"architectures", "model_type"}) {
    if (const Json* value = config.find(key))
      text += fmt::format("{}{} {}", text.empty() ? "" : " and ", key, dump_python_json(*value));
  }
  return text.empty() ? "a config.json without architectures and model_type" : text + " in config.json";
}

const Architecture* claimed_family(const Checkpoint& checkpoint) {
  for (const Architecture* row : kArchitectures)
    if (row->recognises(checkpoint)) return row;
  return nullptr;
}

const Architecture* seen_family(const Checkpoint& checkpoint) {
  for (const Architecture* row : kArchitectures)
    if (row->has_tensors(checkpoint)) return row;
  return nullptr;
}

// Whether the configuration names an architecture, known or not.
bool names_itself(const Checkpoint& checkpoint) {
  if (checkpoint.metadata().find("general.architecture")) return true;
  if (checkpoint.metadata().find("general.type")) return true;
  const Json& config = checkpoint.config();
  return config.find("architectures") || config.find("model_type");
}

// Error(kInput) for a checkpoint that names a family and holds the tensors of another.
void check_agreement(const Checkpoint& checkpoint) {
  const Architecture *claim = claimed_family(checkpoint), *seen = seen_family(checkpoint);
  if (claim && seen && claim != seen)
    fail(ErrorCode::kInput, "the checkpoint has {}, which makes it a {} model, but its tensors are those of a {} model",
         claimed(checkpoint), claim->name, seen->name);
}

[[noreturn]] void fail_unknown(const Checkpoint& checkpoint) {
  fail(ErrorCode::kInput, "no known architecture: the checkpoint has {}; known are: {}", claimed(checkpoint),
       known_names());
}

bool has_place(const Architecture* family, std::string_view tensor) {
  if (family) return family->has_name(tensor);
  return std::ranges::any_of(kArchitectures, [&](const Architecture* row) { return row->has_name(tensor); });
}

}  // namespace

std::span<const Architecture* const> architectures() { return kArchitectures; }

const Architecture& find_architecture(std::string_view name) {
  if (const Architecture* row = row_named(kArchitectures, name)) return *row;
  fail(ErrorCode::kUsage, "there is no architecture \"{}\"; did you mean {}?", name,
       nearest_names(name, names_of(kArchitectures)));
}

namespace {

// Says which weights are not as they are stored.
ModelSpec with_notes(ModelSpec spec, const Checkpoint& checkpoint) {
  constexpr std::string_view kDouble = "f64";
  const auto doubles = std::ranges::count_if(spec.weights, [&](const Weight& weight) {
    const TensorEntry* entry = checkpoint.find(expert_name(weight.tensor, 0));
    return entry && entry->encoding == kDouble;
  });
  if (doubles)
    spec.notes.push_back(fmt::format("{} stored as {} {} read as the nearest f32",
                                     counted(static_cast<std::uint64_t>(doubles), "tensor"), kDouble,
                                     doubles == 1 ? "is" : "are"));
  return spec;
}

// Either of the files that a description is made of may be the one that is wrong.
std::string files_described(const Checkpoint& checkpoint) {
  return described_model(checkpoint.path(), checkpoint.files());
}

// As describe_model. Error(kInfeasible) where the model is known and asks for what is not computed.
ModelSpec describe_known(const Checkpoint& checkpoint) {
  return with_context("while describing " + files_described(checkpoint), [&] {
    check_agreement(checkpoint);
    const Architecture* family = recognise(checkpoint);
    if (!family) fail_unknown(checkpoint);
    // What a configuration states counts, also where it does not say whose it is.
    const bool is_configured = claimed_family(checkpoint) || !checkpoint.config().is_null();
    return with_notes(family->describe(checkpoint, is_configured ? ConfigUse::kTrust : ConfigUse::kIgnore), checkpoint);
  });
}

}  // namespace

ModelSpec describe_model(const Checkpoint& checkpoint) {
  try {
    return describe_known(checkpoint);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInfeasible) throw;
    throw Error(ErrorCode::kInput, error.what());  // what is known and not computed is not supported
  }
}

const Architecture* recognise(const Checkpoint& checkpoint) {
  if (const Architecture* claim = claimed_family(checkpoint)) return claim;
  return names_itself(checkpoint) ? nullptr : seen_family(checkpoint);
}

ModelSpec claimed_model(const Checkpoint& checkpoint) {
  const Architecture* claim = claimed_family(checkpoint);
  if (!claim) fail_unknown(checkpoint);
  return claim->describe(checkpoint, ConfigUse::kClaims);
}

namespace {

// `list` makes what a checkpoint becomes that cannot be described, and of which the text says why.
using List = ModelSpec (*)(const Checkpoint&, const std::string& why);

ModelSpec describe_or(List list, const Checkpoint& checkpoint) {
  if (recognise(checkpoint)) try {
      return describe_known(checkpoint);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInfeasible) throw;
      // It is known, and asks for what is not computed.
      return with_notes(list(checkpoint, error.what()), checkpoint);
    }
  return with_notes(list(checkpoint, "the checkpoint has " + claimed(checkpoint)), checkpoint);
}

}  // namespace

ModelSpec describe_or_list(const Checkpoint& checkpoint) { return describe_or(list_unknown_model, checkpoint); }

ModelSpec describe_or_outline(const Checkpoint& checkpoint) { return describe_or(outline_unknown_model, checkpoint); }

void for_each_unmatched(const Checkpoint& checkpoint, const std::function<void(const TensorEntry&)>& use) {
  const Architecture* seen = seen_family(checkpoint);
  const Architecture* family = seen ? seen : claimed_family(checkpoint);
  for (const TensorEntry& entry : checkpoint.tensors())
    if (!has_place(family, entry.name)) use(entry);
}

std::vector<std::string> unmatched_tensors(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for_each_unmatched(checkpoint, [&](const TensorEntry& entry) { names.push_back(entry.name); });
  return names;
}

ModelSpec infer_model(const Checkpoint& checkpoint) {
  return with_context("while describing " + files_described(checkpoint) + " from its tensors alone", [&] {
    if (const Architecture* seen = seen_family(checkpoint)) return seen->describe(checkpoint, ConfigUse::kIgnore);
    fail(ErrorCode::kInput, "the tensors' names are those of no known architecture; known are: {}", known_names());
  });
}

ExportMap map_to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return with_context("while mapping " + files_described(checkpoint) + " to GGUF",
                      [&] { return find_architecture(spec.architecture).to_gguf(spec, checkpoint); });
}

ExportMap map_to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint) {
  return with_context("while mapping " + files_described(checkpoint) + " to a folder of transformers", [&] {
    const Architecture& family = find_architecture(spec.architecture);
    if (!family.to_transformers)
      fail(ErrorCode::kInfeasible, "transformers has no class for models of the family {}", family.name);
    return family.to_transformers(spec, checkpoint);
  });
}

}  // namespace quern
