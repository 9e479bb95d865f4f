// Tables of the keys of a card and of generation_config.json, and where each goes.
#include "package/general_keys.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/python_json.h"
#include "base/sha256.h"
#include "checkpoint/hub_cache.h"
#include "package/original_card.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

// Keys of a card that become `key`; the first that is there counts.
struct CardRow {
  const char* key;
  std::vector<const char*> names;
};
const CardRow kCardRows[] = {
    {"general.name", {"name", "model_name"}},
    {"general.author", {"author", "model_author", "model_creator"}},
    {"general.version", {"version", "model_version"}},
    {"general.organization", {"organization", "model_organization"}},
    {"general.finetune", {"finetune", "model_finetune"}},
    {"general.basename", {"basename", "model_basename", "model_type"}},
    {"general.description", {"description", "model_description"}},
    {"general.size_label", {"size_label", "model_size_label"}},
    {"general.license", {"license"}},
    {"general.license.name", {"license_name"}},
    {"general.license.link", {"license_link"}},
    {"general.source.url", {"url", "model_url"}},
    {"general.source.doi", {"doi", "model_doi"}},
    {"general.source.uuid", {"uuid", "model_uuid"}},
    {"general.source.repo_url", {"repo_url", "model_repo_url"}},
};
const CardRow kListRows[] = {{"general.tags", {"tags", "pipeline_tag"}},
                             {"general.languages", {"languages", "language"}}};
const CardRow kOriginRows[] = {{"general.base_model", {"base_model", "base_models", "base_model_sources"}},
                               {"general.dataset", {"datasets", "dataset", "dataset_sources"}}};

enum class SamplingKind { kText, kInteger, kNumber };
struct SamplingRow {
  const char *key, *name;
  SamplingKind kind;
};
constexpr SamplingRow kSamplingRows[] = {
    {"general.sampling.sequence", "sequence", SamplingKind::kText},
    {"general.sampling.top_k", "top_k", SamplingKind::kInteger},
    {"general.sampling.top_p", "top_p", SamplingKind::kNumber},
    {"general.sampling.min_p", "min_p", SamplingKind::kNumber},
    {"general.sampling.xtc_probability", "xtc_probability", SamplingKind::kNumber},
    {"general.sampling.xtc_threshold", "xtc_threshold", SamplingKind::kNumber},
    {"general.sampling.temp", "temperature", SamplingKind::kNumber},
    {"general.sampling.penalty_last_n", "penalty_last_n", SamplingKind::kInteger},
    {"general.sampling.penalty_repeat", "penalty_repeat", SamplingKind::kNumber},
    {"general.sampling.mirostat", "mirostat", SamplingKind::kInteger},
    {"general.sampling.mirostat_tau", "mirostat_tau", SamplingKind::kNumber},
    {"general.sampling.mirostat_eta", "mirostat_eta", SamplingKind::kNumber},
};

std::vector<std::string> texts_of(const Json& value) {
  if (value.is_string()) return {value.as_string()};
  std::vector<std::string> texts;
  if (value.is_array())
    for (const Json& item : value.as_array()) texts.push_back(item.as_string());
  return texts;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
  return all;
}

void set_absent(Metadata& out, const std::string& key, const std::optional<std::string>& text) {
  if (text && !text->empty() && !out.find(key)) out.set(key, *text);
}

void add_id(Metadata& out, const std::string& id, std::uint64_t parameters) {
  const ModelId parts = model_id(id, parameters);
  if (parts.name) set_absent(out, "general.name", id_to_title(*parts.name));
  if (parts.organization) set_absent(out, "general.organization", id_to_title(*parts.organization));
  set_absent(out, "general.basename", parts.basename);
  set_absent(out, "general.finetune", parts.finetune);
  set_absent(out, "general.version", parts.version);
  set_absent(out, "general.size_label", parts.size_label);
}

// What a card names by its id on the hub, or by its address.
void add_origin(Metadata& out, const std::string& place, const std::string& origin, std::uint64_t parameters) {
  static const re2::RE2 kAddress("https?://huggingface.co/([^/]+/[^/]+)");
  const bool is_address = std::ranges::any_of(std::initializer_list<const char*>{"http://", "https://", "ssh://"},
                                              [&](const char* start) { return origin.starts_with(start); });
  std::string id = origin;
  if (is_address && !re2::RE2::FullMatch(origin, kAddress, &id)) id.clear();
  const ModelId parts = id.empty() ? ModelId() : model_id(id, parameters);
  if (parts.name) set_absent(out, place + ".name", id_to_title(*parts.name));
  set_absent(out, place + ".version", parts.version);
  if (parts.organization) set_absent(out, place + ".organization", id_to_title(*parts.organization));
  if (is_address) {
    set_absent(out, place + ".repo_url", origin);
  } else if (parts.name && parts.organization) {
    set_absent(out, place + ".repo_url", fmt::format("https://huggingface.co/{}/{}", *parts.organization, *parts.name));
  }
}

void add_card(Metadata& out, const Json& card, std::uint64_t parameters) {
  for (const CardRow& row : kCardRows)
    for (const char* name : row.names)
      if (const Json* value = card.find(name)) set_absent(out, row.key, joined(texts_of(*value)));
  for (const CardRow& row : kOriginRows)
    for (const char* name : row.names) {
      const Json* value = card.find(name);
      if (!value) continue;
      const std::vector<std::string> origins = texts_of(*value);
      out.set(fmt::format("{}.count", row.key), static_cast<std::uint32_t>(origins.size()));
      for (std::size_t i = 0; i < origins.size(); ++i)
        add_origin(out, fmt::format("{}.{}", row.key, i), origins[i], parameters);
      break;
    }
  for (const CardRow& row : kListRows) {
    std::vector<std::string> all;
    for (const char* name : row.names)
      if (const Json* value = card.find(name)) std::ranges::move(texts_of(*value), std::back_inserter(all));
    if (!all.empty()) out.set(row.key, MetaArray{all});
  }
}

void add_sampling(Metadata& out, const Json& generation) {
  for (const SamplingRow& row : kSamplingRows) {
    const Json* value = generation.find(row.name);
    if (!value) continue;
    if (row.kind == SamplingKind::kText && value->is_string()) out.set(row.key, value->as_string());
    if (row.kind == SamplingKind::kNumber && value->is_number())
      out.set(row.key, static_cast<float>(value->as_double()));
    if (row.kind == SamplingKind::kInteger && value->is_integer())
      if (const std::int64_t number = value->as_int64(); number == static_cast<std::int32_t>(number))
        out.set(row.key, static_cast<std::int32_t>(number));
  }
}

// An id, and no path on the computer of whoever saved the model.
std::string id_in_config(const Json& config) {
  const Json* name = config.find("_name_or_path");
  return name && name->is_string() ? plain_id_or_nothing(name->as_string()) : "";
}

Json generation_beside(const Checkpoint& source) try {
  for (const SourceFile& file : source.files())
    if (file.path.filename() == "generation_config.json") return parse_python_json(read_text(file.path));
  return {};
} catch (const Error&) {  // who needs it says so
  return {};
}

ParameterCounts counts_of(const OpenModel& source, const ExportMap& names) {
  ParameterCounts counts;
  std::uint64_t experts = 0, tensors = 0;
  for (const ExportedWeight& weight : names.weights) {
    const Shape shape = weight.output_shape(source.spec.weights[weight.weight]);
    const std::uint64_t size = element_count(shape);
    counts.all += size;
    if (weight.name.find("_exps.") == std::string::npos || shape.size() < 3) {
      counts.shared += size;
      continue;
    }
    counts.of_one_expert += size / shape[0];
    experts += shape[0];
    ++tensors;
  }
  for (const ExtraTensor& extra : names.extras) {
    counts.all += extra.values.size();
    counts.shared += extra.values.size();
  }
  counts.experts = tensors ? experts / tensors : 0;
  return counts;
}

// "style" of "adapters/style/".
std::string name_of_folder(const fs::path& folder) {
  const fs::path plain = folder.lexically_normal();
  return without_unprintable((plain.has_filename() ? plain : plain.parent_path()).filename().string());
}

}  // namespace

Metadata general_keys(const GeneralFacts& facts) {
  Metadata out;
  out.set("general.type", std::string("model"));
  add_sampling(out, facts.generation);
  const std::uint64_t parameters = facts.parameters.all;
  add_card(out, facts.card, parameters);
  for (const std::string& id : {facts.hub_id, id_in_config(facts.config), facts.folder})
    if (!id.empty()) add_id(out, id, parameters);
  if (parameters > 0) set_absent(out, "general.size_label", size_label(facts.parameters));
  return out;
}

CardFacts card_facts(const OpenModel& source, Format::Companions place) {
  CardFacts facts{original_card(source.checkpoint, place), id_in_hub_cache(source.checkpoint.path()).value_or(""),
                  id_or_nothing(id_in_config(source.checkpoint.config()))};
  if (!has_tokenizer(source.checkpoint)) facts.tokenizer = CardFacts::Part::kMissing;
  if (source.adapter.empty()) return facts;
  facts.adapter = id_in_hub_cache(source.adapter).value_or(name_of_folder(source.adapter));
  facts.adapter_base = id_or_nothing(source.adapter_base);
  return facts;
}

GeneralFacts general_facts(const OpenModel& source, const ExportMap& names) {
  GeneralFacts facts;
  facts.card = original_card(source.checkpoint, Format::Companions::kInside);
  facts.config = source.checkpoint.config();
  facts.generation = generation_beside(source.checkpoint);
  facts.hub_id = id_in_hub_cache(source.checkpoint.path()).value_or("");
  facts.folder = source.name();
  facts.parameters = counts_of(source, names);
  return facts;
}

std::string hash_of_surroundings(const OpenModel& source) {
  const std::string text = id_in_hub_cache(source.checkpoint.path()).value_or("") + "\n" + source.name() + "\n" +
                           dump_json(original_card(source.checkpoint, Format::Companions::kInside));
  return sha256_of(std::as_bytes(std::span(text)));
}

}  // namespace quern
