// An inspection as JSON.
#include "apps/inspect.h"
#include "base/json_pieces.h"
#include "model/architectures.h"
#include "model/spec_json.h"

namespace quern {
namespace {

Json sums_json(const std::map<std::string, TensorSums>& map) {
  Json json = Json::object();
  for (const auto& [name, sums] : map)
    json.set(name, Json::object({{"tensors", sums.tensors}, {"elements", sums.elements}, {"bytes", sums.bytes}}));
  return json;
}

Json names_json(const std::vector<std::string>& names) { return Json::Array(names.begin(), names.end()); }

Json tensor_json(const TensorEntry& t) {
  Json::Array shape(t.shape.begin(), t.shape.end());
  return Json::object({{"name", t.name}, {"shape", std::move(shape)}, {"encoding", t.encoding}, {"bytes", t.bytes()}});
}

Json differences_json(const Inspection& i) {
  Json::Array rows;
  for (const ExtentDifference& d : i.differences)
    rows.push_back(Json::object({{"extent", d.extent},
                                 {"claimed", d.claimed},
                                 {"claimed_by", d.claimed_by},
                                 {"shown", d.shown},
                                 {"shown_by", d.shown_by}}));
  return rows;
}

void write_names(JsonWriter& out, std::string_view key, const std::vector<const TensorEntry*>& tensors) {
  out.open_array(key);
  for (const TensorEntry* tensor : tensors) out.item(tensor->name);
  out.close();
}

void write_duplicates(JsonWriter& out, const DuplicateTensors& duplicates) {
  out.open_object("duplicates");
  out.open_array("groups");
  for (const DuplicateTensors::Group& group : duplicates.groups) write_names(out, {}, group);
  out.close();
  write_names(out, "unread", duplicates.unread);
  out.close();
}

void write_spec(JsonWriter& out, std::string_view key, const std::optional<ModelSpec>& spec, const Inspection& i) {
  if (!spec) return out.member(key, Json());
  write_json(out, key, *spec, [&](const UseSpec& use) { i.for_each_piece(use); });
}

Json unused_json(const UnusedRows& unused) {
  return Json::object({{"rows", unused.rows},
                       {"of", unused.of},
                       {"parameters", unused.parameters},
                       {"of_parameters", unused.of_parameters}});
}

Json ternary_json(const TernaryMatrices& ternary) {
  return Json::object({{"count", ternary.count}, {"of", ternary.of}, {"by_row", ternary.by_row}});
}

Json memory_json(const MemoryEstimate& m) {
  return Json::object({{"context", m.context},
                       {"made_for", m.made_for},
                       {"weights_stored", m.stored},
                       {"weights_f32", m.weights_f32},
                       {"kv_f32", m.kv_f32},
                       {"kv_f16", m.kv_f16},
                       {"state_f32", m.state_f32}});
}

Json techniques_json(const Inspection& i) {
  Json list = Json::array();
  for (const Technique& technique : i.techniques) list.push_back(to_json(technique));
  return list;
}

}  // namespace

void write_json(const Inspection& i, int indent, const TakeText& take) {
  Json::Array files;
  for (const SourceFile& f : i.files)
    files.push_back(Json::object({{"name", f.path.filename().string()}, {"bytes", f.bytes}}));
  JsonWriter out(indent, take);
  out.open_object();
  out.member("path", i.path);
  out.member("format", i.format);
  out.member("file_bytes", i.file_bytes);
  out.member("files", std::move(files));
  out.member("notes", names_json(i.notes));
  out.member("weights", i.total.elements);
  out.member("by_encoding", sums_json(i.by_encoding));
  out.member("by_role", sums_json(i.by_role));
  write_spec(out, "model", i.spec, i);
  out.member("why_unknown", i.why_unknown);
  write_spec(out, "inferred", i.inferred, i);
  out.member("differences", differences_json(i));
  out.open_array("unmatched");
  for_each_unmatched(*i.checkpoint, [&](const TensorEntry& entry) { out.item(entry.name); });
  out.close();
  write_duplicates(out, i.duplicates);
  out.member("rows_without_token", i.unused_rows ? unused_json(*i.unused_rows) : Json());
  out.member("ternary_matrices", i.ternary ? ternary_json(*i.ternary) : Json());
  out.member("memory", i.memory ? memory_json(*i.memory) : Json());
  out.member("techniques", techniques_json(i));
  out.open_array("tensors");
  for (const TensorEntry& tensor : i.tensors()) out.item(tensor_json(tensor));
  out.finish();
}

}  // namespace quern
