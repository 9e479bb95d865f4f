// Identity as an object whose keys are what a person would have to change.
#include "compress/run_identity.h"

#include "base/fail.h"
#include "base/file.h"
#include "base/sha256.h"
#include "calib/hessian_writer.h"
#include "compress/compress_choice.h"
#include "quern/version.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "program";
// Files of which only the hash is kept.
constexpr const char *kPrecisionMap = "`precision_map`", *kPlan = "`plan`", *kStatistics = "`statistics`";

Json hash_of(const fs::path& file) { return file.empty() ? Json() : Json(sha256_of_file(file)); }

// The index of Hessians names them all.
Json statistics_to_json(const CompressOptions& options) {
  const fs::path hessians = given_hessians(options);
  return hash_of(hessians.empty() ? given_moments(options) : hessians / kIndexName);
}

Json text_to_json(const std::optional<CutText>& text) {
  if (!text) return Json();
  const TextUse& use = text->use;
  return Json::object({{"sha256", use.sha256}, {"windows", use.windows}, {"window_length", use.window_length}});
}

Json overlay_to_json(const Weights& weights) {
  std::string overlay = weights.identity();
  return overlay.empty() ? Json() : Json(std::move(overlay));
}

Json size_to_json(const std::optional<SizeGoal>& size) {
  return size ? Json::object({{"unit", static_cast<int>(size->unit)}, {"value", size->value}}) : Json();
}

std::string shown(const Json& value) {
  if (value.is_null()) return "none";
  return value.is_string() ? value.as_string() : dump_json(value);
}

constexpr const char* kAdvice = "leave out `start=kResume` to start from the beginning";

[[noreturn]] void refuse(const std::string& key, const Json& then, const Json& now, const std::string& partial) {
  if (key == kModelFiles)
    fail(ErrorCode::kInput,
         "the input has changed since {} was begun: {} is another file now, or was written again; {}", partial,
         changed_file(then, now), kAdvice);
  if (key == kProgram)
    fail(ErrorCode::kUsage, "{} was begun by quern {}, and this is {}; {}", partial, shown(then), shown(now), kAdvice);
  if (then.is_object() || now.is_object() || key == kStatistics || key == kPrecisionMap ||
      key == kPlan)  // hashes say nothing
    fail(ErrorCode::kUsage, "{} was begun with another {}: give the same, or {}", partial, key, kAdvice);
  fail(ErrorCode::kUsage, "{} was begun with another {}: it was {}, and is {} now; give the same, or {}", partial, key,
       shown(then), shown(now), kAdvice);
}

}  // namespace

std::string changed_file(const Json& then, const Json& now) {
  for (const Json* files : {&then, &now})
    for (const Json::Member& file : files->as_object()) {
      const Json *before = then.find(file.first), *after = now.find(file.first);
      if (!before || !after || !(*before == *after)) return file.first;
    }
  return {};
}

Json stamps_by_name(const Checkpoint& checkpoint) {
  Json stamps = Json::object();
  for (const SourceFile& file : checkpoint.files()) stamps.set(file.path.filename().string(), file_stamp(file.path));
  return stamps;
}

Json to_json(const RunIdentity& run) {
  Json calibration = text_to_json(run.texts.calibration);
  if (!calibration.is_null()) calibration.set("name", run.options.calibration_text.filename().string());
  const CompressOptions& o = run.options;
  return Json::object({{kProgram, kVersion},
                       {kModelFiles, stamps_by_name(run.source.checkpoint)},
                       {"name of MODEL", run.source.name()},
                       {"`name`", o.name.empty() ? Json() : Json(o.name)},
                       {"overlay of the weights", overlay_to_json(run.source.weights)},
                       {"`drop`", Json::Array(o.drop.begin(), o.drop.end())},
                       {"`scheme`", run.scheme.name},
                       {"`format`", run.format.name},
                       {kPrecisionMap, hash_of(o.precision_map)},
                       {kPlan, hash_of(o.plan)},
                       {"`calibration_text` or `calibration_windows`", std::move(calibration)},
                       {"`optimizer`", o.optimizer},
                       {"`sequence`", o.sequence == CompressOptions::Sequence::kMeasure ? Json("measured") : Json()},
                       {kStatistics, statistics_to_json(o)},
                       {"`gate_text` or `gate_windows`", text_to_json(run.texts.gate)},
                       {"`bound.max_perplexity_increase`", json_or_null(o.bound.max_perplexity_increase)},
                       {"`bound.max_kld`", json_or_null(o.bound.max_kld)},
                       {"`max_trials`", o.bound.is_set() ? Json(o.max_trials) : Json()},
                       {"size", size_to_json(o.size)},
                       {"`mode`", o.mode == CompressOptions::Mode::kAdvanced ? Json("advanced") : Json()},
                       {"`survey_passes`", o.survey_passes ? Json(*o.survey_passes) : Json()},
                       {"`machine.precision`", to_string(run.precision)},
                       {"`machine.max_memory`", run.memory}});
}

Json hashes_by_name(const std::vector<HashedFile>& files) {
  Json hashes = Json::object();
  for (const HashedFile& file : files) hashes.set(file.name, file.sha256);
  return hashes;
}

void check_same_run(const Json& then, const Json& now, const fs::path& partial) {
  for (const Json::Member& member : now.as_object()) {
    const Json* before = then.find(member.first);
    if (!before || !(*before == member.second))
      refuse(member.first, before ? *before : Json(), member.second, partial.string());
  }
}

}  // namespace quern
