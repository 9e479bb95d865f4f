// JSON with a check over itself.
#include "calib/hessian_index.h"

#include <set>

#include "base/fail.h"
#include "base/json.h"
#include "base/sha256.h"

namespace quern {
namespace {

constexpr std::uint64_t kIndexVersion = 1;
constexpr const char* kKind = "quern_hessians";

struct IdentityField {
  const char* name;
  Json (*value)(const HessianIdentity&);
};
constexpr IdentityField kIdentity[] = {
    {"model", [](const HessianIdentity& i) { return Json(i.model); }},
    {"windows_sha256", [](const HessianIdentity& i) { return Json(i.windows_sha256); }},
    {"windows", [](const HessianIdentity& i) { return Json(i.windows); }},
    {"window_length", [](const HessianIdentity& i) { return Json(i.window_length); }},
    {"precision", [](const HessianIdentity& i) { return Json(i.precision); }},
};

std::string hash_of(const Json& json) {
  const std::string text = dump_json(json);
  return sha256_of(std::as_bytes(std::span(text)));
}

Json identity_json(const HessianIdentity& identity) {
  Json json = Json::object();
  for (const IdentityField& field : kIdentity) json.set(field.name, field.value(identity));
  return json;
}

Json record_json(const ShardRecord& record) {
  return Json::object({{"group", record.head.group},
                       {"expert", record.head.expert},
                       {"columns", record.head.columns},
                       {"tokens", record.head.tokens},
                       {"sha256", record.hashes.all},
                       {"moments_sha256", record.hashes.moments}});
}

// All but the check.
Json body_json(const HessianIndex& index) {
  Json shards = Json::array();
  for (const auto& [key, record] : index.shards) {
    Json shard = record_json(record);
    shard.set("file", record.file);
    shards.push_back(std::move(shard));
  }
  return Json::object({{kKind, kIndexVersion},
                       {"identity", identity_json(index.identity)},
                       {"text", index.identity.text_name},
                       {"finished", index.finished},
                       {"hash", content_hash(index)},
                       {"shards", shards}});
}

std::string hash_text(const Json& json) {
  const std::string& text = json.as_string();
  if (text.size() != 64 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    fail(ErrorCode::kInput, "\"{}\" is no SHA-256", text);
  return text;
}

HessianIdentity parse_identity(const Json& json, const Json& text) {
  HessianIdentity identity{json.at("model").as_string(),     hash_text(json.at("windows_sha256")),
                           json.at("windows").as_uint64(),   json.at("window_length").as_uint64(),
                           json.at("precision").as_string(), text.as_string()};
  if (!checked_mul(identity.windows, identity.window_length))
    fail(ErrorCode::kInput, "{} windows of {} tokens are no text", identity.windows, identity.window_length);
  return identity;
}

ShardRecord parse_record(const Json& json, const HessianIdentity& identity) {
  ShardRecord record{{.group = json.at("group").as_string(),
                      .columns = json.at("columns").as_uint64(),
                      .tokens = json.at("tokens").as_uint64()},
                     {hash_text(json.at("sha256")), hash_text(json.at("moments_sha256"))},
                     json.at("file").as_uint64()};
  const std::uint64_t expert = json.at("expert").as_uint64();
  if (expert > kAllExperts) fail(ErrorCode::kInput, "{} has no expert {}", record.head.group, expert);
  record.head.expert = static_cast<std::uint32_t>(expert);
  if (record.head.columns == 0 || record.head.columns > kMostColumns)
    fail(ErrorCode::kInput, "the Hessian of {} says {} columns", record.head.group, record.head.columns);
  if (expert != kAllExperts && record.head.tokens > identity.windows * identity.window_length)
    fail(ErrorCode::kInput, "the Hessian of {} says {} tokens of {}", record.head.group, record.head.tokens,
         identity.windows * identity.window_length);
  return record;
}

}  // namespace

std::string difference(const HessianIdentity& there, const HessianIdentity& here) {
  std::string text;
  for (const IdentityField& field : kIdentity)
    if (const Json a = field.value(there), b = field.value(here); a != b)
      text +=
          fmt::format("{}{} is {} there and {} here", text.empty() ? "" : ", ", field.name, dump_json(a), dump_json(b));
  return text;
}

std::string ShardRecord::file_name() const { return fmt::format("{:05}.hessian", file); }

const ShardRecord* HessianIndex::find(std::string_view group, std::uint32_t expert) const {
  const auto found = shards.find({std::string(group), expert});
  return found == shards.end() ? nullptr : &found->second;
}

std::string content_hash(const HessianIndex& index) {
  Json shards = Json::array();
  for (const auto& [key, record] : index.shards) shards.push_back(record_json(record));
  return hash_of(Json::object({{"identity", identity_json(index.identity)}, {"shards", shards}}));
}

HessianIndex parse_hessian_index(std::string_view text) {
  const Json json = parse_json(text);
  const Json* version = json.find(kKind);
  if (!version) fail(ErrorCode::kInput, "this is no index of a statistics store: it has no \"{}\"", kKind);
  if (!version->is_integer() || *version != Json(kIndexVersion))
    fail(ErrorCode::kInput, "a statistics store in version {} of its format; this program reads version {}",
         dump_json(*version), kIndexVersion);
  HessianIndex index{parse_identity(json.at("identity"), json.at("text")), json.at("finished").as_bool(), {}};
  std::set<std::uint64_t> files;
  for (const Json& item : json.at("shards").as_array()) {
    const ShardRecord record = parse_record(item, index.identity);
    ShardKey key{record.head.group, record.head.expert};
    if (!files.insert(record.file).second || !index.shards.emplace(std::move(key), record).second)
      fail(ErrorCode::kInput, "the Hessian of {} or its file {} is listed twice", record.head.group,
           record.file_name());
  }
  const std::string check = json.at("check").as_string();
  if (check != hash_of(body_json(index)))
    fail(ErrorCode::kInput, "the index of the statistics store was changed since it was written");
  return index;
}

std::string dump_hessian_index(const HessianIndex& index) {
  Json json = body_json(index);
  json.set("check", hash_of(json));
  return dump_json(json, 1) + "\n";
}

}  // namespace quern
