// Sums over the tensor table, by encoding and by role.
#include "pipeline/inspect.h"

#include "pipeline/package.h"
#include "quern/error.h"

namespace quern {
namespace {

void add(TensorSums& sums, const TensorEntry& entry) {
  sums.tensors += 1;
  sums.elements += element_count(entry.shape);
  sums.bytes += entry.bytes();
}

Json to_json(const std::map<std::string, TensorSums>& map) {
  Json json = Json::object();
  for (const auto& [name, sums] : map)
    json.set(name, Json::object({{"tensors", sums.tensors}, {"elements", sums.elements}, {"bytes", sums.bytes}}));
  return json;
}

std::string table(const char* title, const std::map<std::string, TensorSums>& map, std::uint64_t all) {
  std::string text = fmt::format("\n{:<20}{:>9}{:>16}{:>16}{:>9}\n", title, "tensors", "weights", "bytes", "share");
  for (const auto& [name, sums] : map)
    text += fmt::format("{:<20}{:>9}{:>16}{:>16}{:>8.2f}%\n", name, sums.tensors, sums.elements, sums.bytes,
                        all ? 100.0 * static_cast<double>(sums.elements) / static_cast<double>(all) : 0.0);
  return text;
}

}  // namespace

Inspection inspect(const std::filesystem::path& path) {
  const Checkpoint checkpoint = open_checkpoint(path);
  Inspection result{.path = path.string(),
                    .format = checkpoint.format(),
                    .files = checkpoint.files(),
                    .tensors = checkpoint.tensors()};
  for (const SourceFile& file : result.files) result.file_bytes += file.bytes;
  for (const TensorEntry& entry : result.tensors) {
    add(result.by_encoding[entry.encoding], entry);
    add(result.total, entry);
  }
  try {
    result.spec = describe_model(checkpoint);
    for (const Weight& weight : result.spec->weights) {
      if (weight.parts.empty()) add(result.by_role[weight.role], checkpoint.at(weight.tensor));
      for (const WeightPart& part : weight.parts) add(result.by_role[weight.role], checkpoint.at(part.tensor));
    }
  } catch (const Error& error) {
    result.why_unknown = error.what();
  }
  return result;
}

Json to_json(const Inspection& i) {
  Json::Array files, tensors;
  for (const SourceFile& f : i.files)
    files.push_back(Json::object({{"name", f.path.filename().string()}, {"bytes", f.bytes}}));
  for (const TensorEntry& t : i.tensors) {
    Json::Array shape(t.shape.begin(), t.shape.end());
    tensors.push_back(
        Json::object({{"name", t.name}, {"shape", std::move(shape)}, {"encoding", t.encoding}, {"bytes", t.bytes()}}));
  }
  return Json::object({{"path", i.path},
                       {"format", i.format},
                       {"file_bytes", i.file_bytes},
                       {"files", std::move(files)},
                       {"weights", i.total.elements},
                       {"by_encoding", to_json(i.by_encoding)},
                       {"by_role", to_json(i.by_role)},
                       {"model", i.spec ? to_json(*i.spec) : Json()},
                       {"why_unknown", i.why_unknown},
                       {"tensors", std::move(tensors)}});
}

std::string describe(const Inspection& i, InspectDetail detail) {
  std::string text = fmt::format("{}: {}, {} files, {} bytes, {} tensors, {} weights\n", i.path, i.format,
                                 i.files.size(), i.file_bytes, i.total.tensors, i.total.elements);
  if (i.spec) {
    text += fmt::format("architecture: {}{}\n", i.spec->architecture,
                        i.spec->tied_head ? ", head tied to the embedding" : "");
    for (const auto& [name, extent] : i.spec->extents) text += fmt::format("  {:<12}{:>10}\n", name, extent);
    text += table("role", i.by_role, i.total.elements);
  } else {
    text += fmt::format("architecture: not known ({})\n", i.why_unknown);
  }
  text += table("stored as", i.by_encoding, i.total.elements);
  if (detail == InspectDetail::kTensors) {
    text += fmt::format("\n{:<56}{:<10}{:>14}  shape\n", "tensor", "stored as", "bytes");
    for (const TensorEntry& t : i.tensors)
      text += fmt::format("{:<56}{:<10}{:>14}  {}\n", t.name, t.encoding, t.bytes(), to_string(t.shape));
  }
  return text;
}

}  // namespace quern
