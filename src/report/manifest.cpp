// Writing and reading manifest.json.
#include "report/manifest.h"

#include <algorithm>

#include "base/fail.h"
#include "base/file.h"
#include "base/sha256.h"
#include "kernel/linear.h"
#include "measure/divergence.h"
#include "quern/version.h"
#include "text/name_pattern.h"
#include "tokenizer/tokenizer.h"

namespace quern {
namespace {

constexpr int kSchema = 1;

struct RoleName {
  HashedFile::Role role;
  const char* name;
};
constexpr RoleName kRoleNames[] = {{HashedFile::Role::kModel, "model"},
                                   {HashedFile::Role::kEvidence, "evidence"},
                                   {HashedFile::Role::kCompanion, "companion"}};

const char* name_of(HashedFile::Role role) { return std::ranges::find(kRoleNames, role, &RoleName::role)->name; }

Json files_to_json(const std::vector<HashedFile>& files) {
  Json::Array list;
  for (const HashedFile& f : files)
    list.push_back(
        Json::object({{"name", f.name}, {"bytes", f.bytes}, {"sha256", f.sha256}, {"role", name_of(f.role)}}));
  return list;
}

HashedFile::Role role_named(const std::string& name) {
  for (const RoleName& row : kRoleNames)
    if (name == row.name) return row.role;
  fail(ErrorCode::kInput, "a file has the role \"{}\", expected model, evidence or companion", name);
}

// Whether a path leads from a folder to what is in it.
bool stays_in_folder(const std::filesystem::path& path) {
  return path.has_filename() && path.is_relative() && path == path.lexically_normal() && path != "." &&
         *path.begin() != "..";
}

std::vector<HashedFile> files_from_json(const Json& json) {
  std::vector<HashedFile> files;
  for (const Json& f : json.as_array())
    files.push_back({f.at("name").as_string(), f.at("bytes").as_uint64(), f.at("sha256").as_string(),
                     role_named(f.at("role").as_string())});
  if (files.empty()) fail(ErrorCode::kInput, "it lists no files");
  for (const HashedFile& f : files)
    if (!stays_in_folder(f.name)) fail(ErrorCode::kInput, "\"{}\" is not the name of a file in the package", f.name);
  return files;
}

Json errors_to_json(const std::vector<ManifestTensor>& tensors) {
  Json::Array list;
  for (const auto& [step, e] : tensors)
    list.push_back(Json::object({{"weighted", e.weighted},
                                 {"weighted_energy", e.weighted_energy},
                                 {"plain", e.plain},
                                 {"plain_energy", e.plain_energy},
                                 {"output", e.output},
                                 {"output_energy", e.output_energy}}));
  return list;
}

EncodeError error_from_json(const Json& json) {
  const auto or_zero = [](const Json* value) { return value ? value->as_double() : 0.0; };
  return {json.at("weighted").as_double(), json.at("weighted_energy").as_double(),
          json.at("plain").as_double(),    json.at("plain_energy").as_double(),
          or_zero(json.find("output")),    or_zero(json.find("output_energy"))};
}

// The file has the errors in a list of their own, as the steps.
std::vector<ManifestTensor> tensors_from_json(const Plan& plan, const Json& errors) {
  const Json::Array& list = errors.as_array();
  if (list.size() != plan.steps.size())
    fail(ErrorCode::kInput, "{} errors for {} steps of the plan", list.size(), plan.steps.size());
  std::vector<ManifestTensor> tensors;
  for (std::size_t i = 0; i < list.size(); ++i) tensors.push_back({plan.steps[i], error_from_json(list[i])});
  return tensors;
}

Json source_to_json(const Manifest& m) {
  Json source =
      Json::object({{"path", m.source_path}, {"format", m.source_format}, {"files", files_to_json(m.source_files)}});
  if (!m.overlay.empty()) source.set("overlay", m.overlay);
  if (!m.dropped.empty()) source.set("dropped", Json::Array(m.dropped.begin(), m.dropped.end()));
  return source;
}

Manifest manifest_from_json(const Json& json) {
  if (json.at("schema").as_int64() != kSchema)
    fail(ErrorCode::kInput, "schema {} is not supported; this program reads {}", json.at("schema").as_int64(), kSchema);
  Manifest m;
  m.source_path = json.at("source").at("path").as_string();
  m.source_format = json.at("source").at("format").as_string();
  m.source_files = files_from_json(json.at("source").at("files"));
  if (const Json* overlay = json.at("source").find("overlay")) m.overlay = overlay->as_string();
  if (const Json* dropped = json.at("source").find("dropped"))
    for (const Json& pattern : dropped->as_array()) m.dropped.push_back(NamePattern(pattern.as_string()).text());
  m.output_files = files_from_json(json.at("files"));
  m.plan = plan_from_json(json.at("plan"));
  if (json.at("plan_sha256").as_string() != m.plan.sha256())
    fail(ErrorCode::kInput, "the plan was edited: its sha256 is {}, the manifest says {}", m.plan.sha256(),
         json.at("plan_sha256").as_string());
  m.tensors = tensors_from_json(m.plan, json.at("errors"));
  return m;
}

}  // namespace

std::uint64_t Manifest::model_bytes() const {
  std::uint64_t sum = 0;
  for (const HashedFile& f : output_files)
    if (f.role == HashedFile::Role::kModel) sum += f.bytes;
  return sum;
}

Json to_json(const Manifest& m) {
  Json json = Json::object(
      {{"schema", kSchema},
       {"quern", kVersion},
       {"libraries", Json::object({{"onednn", library_version()}, {"sentencepiece", sentencepiece_version()}})},
       {"seeds", Json::object({{"bootstrap", kBootstrapSeed}})},
       {"source", source_to_json(m)},
       {"files", files_to_json(m.output_files)},
       {"plan_sha256", m.plan.sha256()}});
  json.set("plan", to_json(m.plan));
  json.set("errors", errors_to_json(m.tensors));
  return json;
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kManifestName;
  try {
    return manifest_from_json(parse_json(read_text(path)));
  } catch (const Error& error) {
    fail(ErrorCode::kVerification, "{} is not a package of this program: {} (while reading {})", folder.string(),
         error.what(), kManifestName);
  }
}

void add_files(const Checkpoint& checkpoint, FileHashes& hashes) {
  for (const SourceFile& file : checkpoint.files()) hashes.add(file.path, FileHashes::Content::kFinal);
}

std::vector<HashedFile> hashed_files(const Checkpoint& checkpoint, const FileHashes& hashes) {
  std::vector<HashedFile> files;
  for (const SourceFile& file : checkpoint.files()) {
    const std::string* sha256 = hashes.find(file.path);
    ensure(sha256 != nullptr, "{} was not hashed", file.path.string());
    files.push_back({file.path.filename().string(), file.bytes, *sha256, HashedFile::Role::kModel});
  }
  return files;
}

std::vector<HashedFile> hash_files(const Checkpoint& checkpoint, ThreadPool& pool) {
  FileHashes hashes;
  add_files(checkpoint, hashes);
  hashes.finish(pool);
  return hashed_files(checkpoint, hashes);
}

std::string combined_hash(const std::vector<HashedFile>& files, const std::string& overlay) {
  std::string lines;
  for (const HashedFile& f : files) lines += f.sha256 + "  " + f.name + "\n";
  if (!overlay.empty()) lines += overlay + "\n";
  return sha256_of(std::as_bytes(std::span(lines)));
}

}  // namespace quern
