// What an edit of one place leaves in another.
#include "package/verify_manifest.h"

#include <algorithm>
#include <string_view>

#include "base/file.h"
#include "base/names.h"
#include "codec/codec.h"
#include "format/formats.h"
#include "optim/optimizer.h"
#include "package/package_names.h"
#include "quern/error.h"
#include "quern/version.h"

namespace quern {
namespace {

bool is_evidence(const std::string& name) {
  return std::ranges::find(kEvidenceNames, std::string_view(name)) != std::end(kEvidenceNames);
}

void check_seal(Verification& v) {
  if (v.manifest.seal == Manifest::Seal::kBroken)
    v.problem("{} was edited after it was written: its manifest_sha256 is that of another text", kManifestName);
  if (v.manifest.seal == Manifest::Seal::kMissing)
    v.problem(
        "{} has no manifest_sha256, which every version writes: it was edited, and no edit of it can be ruled out",
        kManifestName);
}

void note_version(Verification& v) {
  if (v.is_repeatable()) return;
  v.observer.note(
      fmt::format("version {} made the package, and this is {}: it may write other bytes, so where these differ from "
                  "what is made of the original, it cannot be told why",
                  v.manifest.version, kVersion));
}

void check_files_listed(Verification& v) {
  std::set<std::string_view> names;
  for (const HashedFile& file : v.manifest.output_files) {
    if (!names.insert(file.name).second) v.problem("the manifest lists {} twice", file.name);
    if (is_evidence(file.name) != (file.role == HashedFile::Role::kEvidence))
      v.problem("the manifest gives {} another role than such a file has", file.name);
  }
  const auto holds_tensors = [](const ManifestTensor& tensor) { return tensor.step.bytes > 0; };
  if (v.manifest.parts.empty() && std::ranges::any_of(v.manifest.tensors, holds_tensors))
    v.problem("{} has no hashes of tensors, which every version writes: it was edited", kManifestName);
  for (const HashedParts& parts : v.manifest.parts)
    if (!names.contains(parts.file)) v.problem("the manifest has hashes of tensors of {}, but not of it", parts.file);
}

// Edits of the manifest alone: who changes both sides is not found here.
void check_report(Verification& v) {
  if (v.changed_files.contains(kReportName)) return;
  if (std::ranges::find(v.manifest.output_files, kReportName, &HashedFile::name) == v.manifest.output_files.end())
    return v.problem("the manifest does not list {}", kReportName);
  try {
    const Json report = parse_json(read_text(v.package / kReportName));
    if (report.at("quern").as_string() != v.manifest.version)
      v.problem("the manifest says that version {} made the package, {} says {}", v.manifest.version, kReportName,
                report.at("quern").as_string());
    const std::string source = combined_hash(v.manifest.source_files, v.manifest.overlay);
    if (report.at("source_sha256").as_string() != source)
      v.problem("the hashes of the source's files come to {}, {} has {}", source, kReportName,
                report.at("source_sha256").as_string());
    const Json::Array& ladder = report.at("ladder").as_array();
    if (ladder.empty() || ladder.back().at("plan") != to_json(v.manifest.plan))
      v.problem("the plan of the manifest is not the one that {} describes", kReportName);
  } catch (const Error& error) {
    v.problem("{} cannot be read: {}", kReportName, error.what());
  }
}

template <typename Table>
bool is_in(const Table& table, const std::string& name) {
  return std::ranges::any_of(table, [&](const auto* row) { return name == row->name; });
}

}  // namespace

void check_manifest(Verification& v) {
  check_seal(v);
  note_version(v);
  check_files_listed(v);
  check_report(v);
}

bool is_plan_known(Verification& v) {
  const std::size_t before = v.result.problems.size();
  const Plan& plan = v.manifest.plan;
  if (!is_in(formats(), plan.format) || !find_format(plan.format).is_written())
    v.problem("the plan of the manifest names the format \"{}\", which this version ({}) does not write", plan.format,
              kVersion);
  for (const PlanStep& step : plan.steps) {
    if (!find_codec(step.codec))
      v.problem(
          "the plan of the manifest gives tensor {} the number format \"{}\", which this version ({}) does not "
          "know; the nearest names are {}",
          step.output, step.codec, kVersion, nearest_names(step.codec, names_of(codecs())));
    if (!is_in(optimizers(), step.optimizer))
      v.problem("the plan of the manifest has tensor {} rounded by \"{}\", which this version ({}) does not know",
                step.output, step.optimizer, kVersion);
  }
  return v.result.problems.size() == before;
}

}  // namespace quern
