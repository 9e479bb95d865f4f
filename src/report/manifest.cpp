// Writing and reading manifest.json.
#include "report/manifest.h"

#include <algorithm>
#include <string_view>

#include "base/fail.h"
#include "base/file.h"
#include "base/json_pieces.h"
#include "base/sha256.h"
#include "kernel/linear.h"
#include "measure/divergence.h"
#include "quern/version.h"
#include "text/name_pattern.h"
#include "tokenizer/tokenizer.h"

namespace quern {
namespace {

constexpr int kSchema = 1;
constexpr std::string_view kBeside = "../";
constexpr const char* kSeal = "manifest_sha256";
constexpr const char* kParts = "tensor_hashes";
constexpr std::size_t kHashDigits = 64;

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

// Whether it is beside the folder that the weights of one file lie.
bool is_beside_folder(const HashedFile& file) {
  return file.role == HashedFile::Role::kModel && is_name_beside(file.name) &&
         stays_in_folder(name_in_place(file.name)) && name_in_place(file.name).find('/') == std::string::npos;
}

std::vector<HashedFile> files_from_json(const Json& json) {
  std::vector<HashedFile> files;
  for (const Json& f : json.as_array())
    files.push_back({f.at("name").as_string(), f.at("bytes").as_uint64(), f.at("sha256").as_string(),
                     role_named(f.at("role").as_string())});
  if (files.empty()) fail(ErrorCode::kInput, "it lists no files");
  for (const HashedFile& f : files)
    if (!stays_in_folder(f.name) && !is_beside_folder(f))
      fail(ErrorCode::kInput, "\"{}\" is not the name of a file in the package", f.name);
  return files;
}

Json parts_to_json(const std::vector<HashedParts>& parts) {
  Json::Array list;
  for (const HashedParts& of : parts) {
    Json::Array tensors;
    for (const HashedTensor& t : of.tensors)
      tensors.push_back(
          Json::object({{"name", t.name}, {"offset", t.offset}, {"bytes", t.bytes}, {"sha256", t.sha256}}));
    Json json =
        Json::object({{"file", of.file}, {"header_bytes", of.header_bytes}, {"header_sha256", of.header_sha256}});
    json.set("tensors", std::move(tensors));
    list.push_back(std::move(json));
  }
  return list;
}

// Runs that lie behind one another, so that they can be hashed in one reading.
void check_order(const HashedParts& parts) {
  std::uint64_t end = parts.header_bytes;
  for (const HashedTensor& t : parts.tensors) {
    if (t.offset < end || t.bytes > UINT64_MAX - t.offset)
      fail(ErrorCode::kInput, "tensor {} of {} cannot lie at byte {} ({} bytes)", t.name, parts.file, t.offset,
           t.bytes);
    end = t.offset + t.bytes;
  }
}

std::vector<HashedParts> parts_from_json(const Json& json) {
  std::vector<HashedParts> parts;
  for (const Json& of : json.as_array()) {
    HashedParts& last = parts.emplace_back(HashedParts{
        of.at("file").as_string(), of.at("header_bytes").as_uint64(), of.at("header_sha256").as_string(), {}});
    for (const Json& t : of.at("tensors").as_array())
      last.tensors.push_back({t.at("name").as_string(), t.at("offset").as_uint64(), t.at("bytes").as_uint64(),
                              t.at("sha256").as_string()});
    check_order(last);
  }
  return parts;
}

// The hash with its own digits as zeros. `text` has them once, and last.
Manifest::Seal seal_of(const Json& json, std::string text) {
  const Json* seal = json.find(kSeal);
  if (!seal) return Manifest::Seal::kMissing;
  const std::string& hash = seal->as_string();
  const std::size_t at = text.rfind(hash);
  if (hash.size() != kHashDigits || at == std::string::npos) return Manifest::Seal::kBroken;
  text.replace(at, kHashDigits, kHashDigits, '0');
  return sha256_of(std::as_bytes(std::span(text))) == hash ? Manifest::Seal::kHolds : Manifest::Seal::kBroken;
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
  if (!m.surroundings.empty()) source.set("surroundings_sha256", m.surroundings);
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
  if (const Json* hash = json.at("source").find("surroundings_sha256")) m.surroundings = hash->as_string();
  m.output_files = files_from_json(json.at("files"));
  m.version = json.at("quern").as_string();
  if (const Json* name = json.find("name")) m.name = name->as_string();
  if (const Json* parts = json.find(kParts)) m.parts = parts_from_json(*parts);
  m.plan = plan_from_json(json.at("plan"));
  if (json.at("plan_sha256").as_string() != m.plan.sha256())
    fail(ErrorCode::kInput, "the plan was edited: its sha256 is {}, the manifest says {}", m.plan.sha256(),
         json.at("plan_sha256").as_string());
  m.tensors = tensors_from_json(m.plan, json.at("errors"));
  return m;
}

}  // namespace

std::string name_beside(const std::string& file) { return std::string(kBeside) + file; }

bool is_name_beside(const std::string& name) { return name.starts_with(kBeside); }

std::string name_in_place(const std::string& name) { return is_name_beside(name) ? name.substr(kBeside.size()) : name; }

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
  if (!m.name.empty()) json.set("name", m.name);
  json.set("plan", to_json(m.plan));
  json.set("errors", errors_to_json(m.tensors));
  if (!m.parts.empty()) json.set(kParts, parts_to_json(m.parts));
  return json;
}

Json sealed(Json manifest) {
  manifest.set(kSeal, std::string(kHashDigits, '0'));
  Sha256 hash;
  dump_json_pieces(manifest, 1, [&](std::string_view piece) { hash.update(std::as_bytes(std::span(piece))); });
  hash.update(std::as_bytes(std::span(std::string_view("\n"))));
  manifest.set(kSeal, hash.hex());
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kManifestName;
  try {
    std::string text = read_text(path);
    const Json json = parse_json(text);
    Manifest manifest = manifest_from_json(json);
    manifest.seal = seal_of(json, std::move(text));
    return manifest;
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
