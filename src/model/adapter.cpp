// Names of an adapter's tensors: base_model.model.MODULE.lora_A.weight [rank, inputs], .lora_B.weight [outputs, rank],
// .lora_embedding_A [rank, rows], .lora_embedding_B [columns, rank], .lora_magnitude_vector [outputs]; whatever else is
// trained is under its own name.
#include "model/adapter.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/python_json.h"
#include "base/sha256.h"
#include "format/formats.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigName = "adapter_config.json";
constexpr const char* kWeightNames[] = {"adapter_model.safetensors", "adapter_model.bin"};
constexpr std::string_view kPrefixes[] = {"base_model.model.", "base_model."};
constexpr std::string_view kSaved = ".modules_to_save", kBaseLayer = ".base_layer", kMarker = ".lora_";

// Of adapter_config.json: what changes the model in a way that is not merged here.
struct Unsupported {
  const char* key;
  const char* what;
};
constexpr Unsupported kUnsupported[] = {
    {"lora_bias", "biases of its second matrices"},
    {"layer_replication", "layers that are repeated"},
    {"trainable_token_indices", "single rows of an embedding"},
    {"target_parameters", "parameters that are no modules"},
    {"alora_invocation_tokens", "an adapter that only some tokens see"},
    {"arrow_config", "a choice among adapters"},
    {"use_qalora", "inputs that are pooled first (QALoRA)"},
    {"use_bdlora", "block-diagonal matrices"},
};
// Initialisations that change the base's own weights.
constexpr std::string_view kChangesBase[] = {"pissa", "olora", "corda", "loftq"};

bool is_set(const Json* value) {
  if (!value || value->is_null()) return false;
  if (value->is_bool()) return value->as_bool();
  if (value->is_array()) return !value->as_array().empty();
  return value->is_object() ? !value->as_object().empty() : true;
}

// Empty for what is no list.
std::vector<std::string> names_in(const Json* list) {
  std::vector<std::string> names;
  if (list && list->is_array())
    for (const Json& name : list->as_array())
      if (name.is_string()) names.push_back(name.as_string());
  return names;
}

void check_kind(const Json& config) {
  const Json* type = config.find("peft_type");
  if (!type || !type->is_string()) fail(ErrorCode::kInput, "it names no peft_type");
  if (type->as_string() != "LORA")
    fail(ErrorCode::kInput, "peft_type is {}, and only LORA is merged; merge it with PEFT (merge_and_unload)",
         printable_line(type->as_string()));
  for (const Unsupported& row : kUnsupported)
    if (is_set(config.find(row.key)))
      fail(ErrorCode::kInput, "{} is set, {}, which is not merged; merge it with PEFT (merge_and_unload)", row.key,
           row.what);
  if (const Json* start = config.find("init_lora_weights"); start && start->is_string())
    for (const std::string_view name : kChangesBase)
      if (start->as_string().starts_with(name))
        fail(ErrorCode::kInput,
             "init_lora_weights is \"{}\", for which the base's own weights were changed; save the adapter with PEFT's "
             "path_initial_model_for_weight_conversion, or merge it with PEFT",
             printable_line(start->as_string()));
}

// The value of the first pattern that the module's name ends in, as PEFT's get_pattern_key has it.
double by_pattern(const Json* patterns, const std::string& module, double otherwise) {
  if (!patterns || !patterns->is_object()) return otherwise;
  for (const auto& [pattern, value] : patterns->as_object()) {
    RE2::Options options;
    options.set_log_errors(false);
    const RE2 regex("(?:.*\\.)?(?:" + pattern + ")", options);
    if (!regex.ok()) fail(ErrorCode::kInput, "the pattern \"{}\" cannot be read", printable_line(pattern));
    if (RE2::FullMatch(module, regex)) return value.as_double();
  }
  return otherwise;
}

std::string without_prefix(const std::string& name) {
  for (const std::string_view prefix : kPrefixes)
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  return name;
}

void erase_all(std::string& name, std::string_view part) {
  if (const std::size_t at = name.find(part); at != name.npos) name.erase(at, part.size());
}

struct FoundTensors {
  std::string a, b, magnitude;
  bool of_embedding = false;
};

// "lora_A.weight", "lora_A.default.weight", "lora_embedding_B", "lora_magnitude_vector.weight".
void add_part(std::string_view part, const std::string& tensor, FoundTensors& found) {
  const std::string_view kind = part.substr(0, part.find('.'));
  if (part.ends_with(".bias"))
    fail(ErrorCode::kInput, "tensor {}: a bias of LoRA is not merged", printable_line(tensor));
  if (kind == "A" || kind == "embedding_A")
    found.a = tensor;
  else if (kind == "B" || kind == "embedding_B")
    found.b = tensor;
  else if (kind == "magnitude_vector")
    found.magnitude = tensor;
  else
    fail(ErrorCode::kInput, "tensor {} is of a kind of LoRA that is not merged", printable_line(tensor));
  found.of_embedding = found.of_embedding || kind.starts_with("embedding_");
}

LowRankUpdate update_of(const Checkpoint& tensors, const std::string& module, const FoundTensors& found) {
  if (found.a.empty() || found.b.empty())
    fail(ErrorCode::kInput, "{} has only one of its two matrices", printable_line(module));
  const Shape &a = tensors.at(found.a).shape, &b = tensors.at(found.b).shape;
  if (a.size() != 2 || b.size() != 2 || a[0] != b[1])
    fail(ErrorCode::kInput, "{}: {} and {} are no two matrices of one rank", printable_line(module), to_string(a),
         to_string(b));
  LowRankUpdate update{.module = module, .a = found.a, .b = found.b, .magnitude = found.magnitude};
  update.of_embedding = found.of_embedding;
  update.rank = a[0];
  update.outputs = found.of_embedding ? a[1] : b[0];
  update.inputs = found.of_embedding ? b[0] : a[1];
  if (update.magnitude.empty()) return update;
  if (update.of_embedding || element_count(tensors.at(update.magnitude).shape) != update.outputs)
    fail(ErrorCode::kInput, "{}: a magnitude (DoRA) of {} is not merged into a matrix of {} rows",
         printable_line(module), to_string(tensors.at(update.magnitude).shape), update.outputs);
  return update;
}

void set_scale(const Json& config, LowRankUpdate& update) {
  const double alpha = by_pattern(config.find("alpha_pattern"), update.module, config.at("lora_alpha").as_double());
  const double rank = by_pattern(config.find("rank_pattern"), update.module, config.at("r").as_double());
  if (rank != static_cast<double>(update.rank))
    fail(ErrorCode::kInput, "{} has a rank of {}, and the configuration says {}", printable_line(update.module),
         update.rank, rank);
  update.scale = alpha / (is_set(config.find("use_rslora")) ? std::sqrt(rank) : rank);
}

void sort_tensors(const Json& config, Adapter& adapter) {
  std::map<std::string, FoundTensors> modules;
  for (const TensorEntry& entry : adapter.tensors.tensors()) {
    std::string name = without_prefix(entry.name);
    const std::size_t at = name.rfind(kMarker);
    if (at != name.npos) {
      add_part(std::string_view(name).substr(at + kMarker.size()), entry.name, modules[name.substr(0, at)]);
      continue;
    }
    erase_all(name, kSaved);
    erase_all(name, kBaseLayer);
    adapter.replaced.push_back({std::move(name), entry.name});
  }
  for (const auto& [module, found] : modules) {
    if (is_set(config.find("use_dora")) && found.magnitude.empty())
      fail(ErrorCode::kInput, "use_dora is set, but {} has no lora_magnitude_vector", printable_line(module));
    adapter.updates.push_back(update_of(adapter.tensors, module, found));
    set_scale(config, adapter.updates.back());
  }
}

fs::path weights_in(const fs::path& folder) {
  for (const char* name : kWeightNames)
    if (find_file(folder / name)) return folder / name;
  fail(ErrorCode::kInput, "{} holds neither {} nor {}, and is no adapter of PEFT", folder.string(), kWeightNames[0],
       kWeightNames[1]);
}

}  // namespace

Adapter read_adapter(const fs::path& folder) {
  const fs::path weights = weights_in(folder), settings = folder / kConfigName;
  if (!find_file(settings))
    fail(ErrorCode::kInput, "{} holds no {}, and is no adapter of PEFT", folder.string(), kConfigName);
  Adapter adapter{folder, {}, {}, open_adapter_tensors(weights), {}, {}};
  adapter.identity = fmt::format("a LoRA adapter merged: {} {}, {} {}", weights.filename().string(),
                                 sha256_of_file(weights), kConfigName, sha256_of_file(settings));
  with_context(fmt::format("while reading {} by {}", weights.string(), settings.string()),
               [&] { read_adapter_config(read_text(settings), adapter); });
  return adapter;
}

void read_adapter_config(std::string_view text, Adapter& adapter) {
  const Json config = parse_python_json(text);
  check_kind(config);
  if (const Json* base = config.find("base_model_name_or_path"); base && base->is_string())
    adapter.base = base->as_string();
  adapter.targets = names_in(config.find("target_modules"));
  adapter.saved = names_in(config.find("modules_to_save"));
  if (is_set(config.find("layers_to_transform")) || is_set(config.find("exclude_modules")))
    adapter.layers = Adapter::Layers::kSome;
  sort_tensors(config, adapter);
}

}  // namespace quern
