// Statistics by way of their file.
#include "compress/calibrated.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "base/fail.h"
#include "base/sha256.h"
#include "calib/collect.h"
#include "calib/collect_hessians.h"
#include "compress/compress_choice.h"
#include "compress/run_identity.h"
#include "package/package.h"
#include "plan/check_plan.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path hessian_folder(const WorkFiles& work) { return work.folder / kHessiansName; }

// Of the content, which is on record from then on.
std::string model_hash(const WorkFiles& work) {
  if (work.journal) work.journal->expect_source(hashes_by_name(work.hashes.finish()));
  return work.hashes.combined();
}

HessianIdentity hessians_of(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  return hessian_identity(model_hash(work), texts.calibration->windows, opened.setup.precision);
}

Statistics collect_into_store(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  const HessianIdentity identity = hessians_of(opened, texts, work);
  HessianWriter store(hessian_folder(work), identity);
  collect_hessians(opened.walk(), texts.calibration->windows,
                   {.hidden_limit = opened.setup.memory_limit, .memory_limit = opened.hessian_memory()}, store,
                   opened.observer);
  return statistics_of(HessianStore(hessian_folder(work), identity));
}

Statistics collected(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  const CompressOptions& options = opened.options;
  if (!options.statistics.empty())
    return read_statistics(given_moments(options), opened.source.spec, opened.statistics_names);
  Statistics statistics =
      wants_hessians(opened, texts)
          ? collect_in(hessian_folder(work), [&] { return collect_into_store(opened, texts, work); })
          : collect_statistics(opened.walk(), texts.calibration->windows, opened.setup.memory_limit, opened.observer);
  statistics.text_name = options.calibration_text.filename().string();
  return statistics;
}

HessianStore store_of(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  if (const fs::path given = given_hessians(opened.options); !given.empty()) return {given, model_hash(work)};
  return {hessian_folder(work), hessians_of(opened, texts, work)};
}

// Whether an earlier run left all that there is to collect.
bool is_collected(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  if (!work.journal || !work.journal->has_statistics(statistics_file(work))) return false;
  if (!wants_hessians(opened, texts)) return true;
  try {
    const HessianStore store = store_of(opened, texts, work);
    if (work.journal->continues())  // what they hold is checked before anything goes by it
      for (const auto& [key, record] : store.shards()) store.read(key.first, key.second);
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput || !given_hessians(opened.options).empty()) throw;
    remove_work(hessian_folder(work));  // damaged: collected again
    return false;
  }
}

}  // namespace

Calibrated::Calibrated(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  inputs_.emplace();
  if (!opened.calibrates()) return;
  const ModelSpec& spec = opened.source.spec;
  const fs::path file = statistics_file(work);
  if (!is_collected(opened, texts, work)) {
    const std::string sha256 = write_statistics(file, collected(opened, texts, work), spec, opened.statistics_names);
    if (work.journal) work.journal->add_statistics(sha256);
  }
  hashes_.moments = sha256_of_file(file);
  statistics_ = read_statistics(file, spec, opened.statistics_names);
  if (wants_hessians(opened, texts)) {
    hessians_ = store_of(opened, texts, work);
    hashes_.hessians = hessians_->hash();
  }
  inputs_.emplace(statistics_, hessians_ ? &*hessians_ : nullptr, opened.setup.memory_limit);
  if (opened.given) check_plan_statistics(*opened.given, hashes_, opened.options.plan);
}

void copy_statistics(const Opened& opened, const WorkFiles& work, const fs::path& folder) {
  OutputFolder out(folder, OutputFolder::Existing::kRefuse);
  const fs::path made = out.path() / "kept";
  const fs::path given = given_hessians(opened.options), hessians = given.empty() ? hessian_folder(work) : given;
  make_folder(made);
  copy_whole_file(statistics_file(work), made / kStatisticsName);
  std::error_code ec;
  if (fs::is_directory(hessians, ec)) make_folder(made / kHessiansName);
  for (const fs::directory_entry& entry : fs::directory_iterator(hessians, ec))
    copy_whole_file(entry.path(), made / kHessiansName / entry.path().filename());
  out.publish("kept");
}

fs::path statistics_file(const WorkFiles& work) { return work.folder / kStatisticsName; }

std::string missing_moments_note(const Opened& opened, const Statistics& statistics) {
  if (opened.options.statistics.empty()) return {};
  std::vector<std::string> missing;
  std::size_t matrices = 0;
  for (const Weight& weight : opened.source.spec.weights) {
    if (keeps_precision(weight) || weight.group.empty()) continue;
    ++matrices;
    if (!statistics.groups.contains(weight.group)) missing.push_back(weight.tensor);
  }
  if (missing.empty()) return {};
  constexpr std::size_t kShown = 3;
  return fmt::format("the importance matrix {} lacks {} of {} matrices, whose weights count alike: {}{}",
                     given_moments(opened.options).string(), missing.size(), matrices,
                     fmt::join(std::span(missing).first(std::min(kShown, missing.size())), ", "),
                     missing.size() > kShown ? ", ..." : "");
}

std::vector<std::string> calibration_notes(const Opened& opened, const CompressTexts& texts,
                                           const Calibrated& calibrated) {
  std::vector<std::string> notes = texts.notes;
  for (std::string note : {missing_moments_note(opened, calibrated.statistics()), feedback_note(opened, texts)})
    if (!note.empty()) notes.push_back(std::move(note));
  for (const ThinExpert& thin : thin_experts(calibrated.statistics()))
    notes.push_back(
        fmt::format("expert {} of {} saw {} tokens of the calibration text, fewer than {}: it takes the "
                    "statistics of all experts of its layer",
                    thin.expert, thin.group, thin.tokens, kFewestTokens));
  return notes;
}

}  // namespace quern
