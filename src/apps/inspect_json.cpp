// An inspection as JSON.
#include "apps/inspect.h"
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

Json tensors_json(const Inspection& i) {
  Json::Array tensors;
  for (const TensorEntry& t : i.tensors()) {
    Json::Array shape(t.shape.begin(), t.shape.end());
    tensors.push_back(
        Json::object({{"name", t.name}, {"shape", std::move(shape)}, {"encoding", t.encoding}, {"bytes", t.bytes()}}));
  }
  return tensors;
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

Json duplicates_json(const DuplicateTensors& duplicates) {
  Json::Array groups;
  for (const auto& group : duplicates.groups) groups.push_back(names_json(group));
  return Json::object({{"groups", std::move(groups)}, {"unread", names_json(duplicates.unread)}});
}

Json unused_json(const UnusedRows& unused) {
  return Json::object({{"rows", unused.rows},
                       {"of", unused.of},
                       {"parameters", unused.parameters},
                       {"of_parameters", unused.of_parameters}});
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

Json to_json(const Inspection& i) {
  Json::Array files;
  for (const SourceFile& f : i.files)
    files.push_back(Json::object({{"name", f.path.filename().string()}, {"bytes", f.bytes}}));
  return Json::object({{"path", i.path},
                       {"format", i.format},
                       {"file_bytes", i.file_bytes},
                       {"files", std::move(files)},
                       {"notes", names_json(i.notes)},
                       {"weights", i.total.elements},
                       {"by_encoding", sums_json(i.by_encoding)},
                       {"by_role", sums_json(i.by_role)},
                       {"model", i.spec ? to_json(*i.spec) : Json()},
                       {"why_unknown", i.why_unknown},
                       {"inferred", i.inferred ? to_json(*i.inferred) : Json()},
                       {"differences", differences_json(i)},
                       {"unmatched", names_json(i.unmatched)},
                       {"duplicates", duplicates_json(i.duplicates)},
                       {"rows_without_token", i.unused_rows ? unused_json(*i.unused_rows) : Json()},
                       {"memory", i.memory ? memory_json(*i.memory) : Json()},
                       {"techniques", techniques_json(i)},
                       {"tensors", tensors_json(i)}});
}

}  // namespace quern
