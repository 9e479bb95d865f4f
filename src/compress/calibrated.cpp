// Statistics by way of their file.
#include "compress/calibrated.h"

#include <algorithm>

#include "base/fail.h"
#include "base/sha256.h"
#include "calib/collect.h"
#include "calib/collect_hessians.h"
#include "compress/compress_choice.h"
#include "package/package.h"
#include "plan/check_plan.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

fs::path hessian_folder(const WorkFiles& work) { return work.folder / kHessiansName; }

// A comparison keeps twice the hidden states that a calibration does.
std::uint64_t hessian_memory(const Opened& opened) { return 2 * opened.setup.memory_limit; }

// Why error feedback is not tried where it would have to measure better; empty: it is.
std::string why_too_large(const Opened& opened, const Windows& windows) {
  const ModelSpec& spec = opened.source.spec;
  const std::uint64_t least = hessian_bytes(spec, gather_shape(spec, windows.length, opened.pool().threads())).least;
  if (least <= hessian_memory(opened)) return {};
  return fmt::format(
      "error feedback was not tried: a Hessian takes {} bytes of memory while it is collected, more than "
      "the {} that are left for it; every matrix is rounded by its second moments",
      least, hessian_memory(opened));
}

bool is_measured(const Opened& opened) { return opened.options.optimizer == kMeasuredOptimizer && !opened.given; }

HessianIdentity hessians_of(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  return hessian_identity(work.hashes.combined(), texts.calibration->windows, opened.setup.precision);
}

Statistics collect_with_hessians(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  const HessianIdentity identity = hessians_of(opened, texts, work);
  HessianWriter store(hessian_folder(work), identity);
  collect_hessians(opened.walk(), texts.calibration->windows,
                   {.hidden_limit = opened.setup.memory_limit, .memory_limit = hessian_memory(opened)}, store,
                   opened.observer);
  return statistics_of(HessianStore(hessian_folder(work), identity));
}

Statistics collected(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  const CompressOptions& options = opened.options;
  if (!options.statistics.empty())
    return read_statistics(given_moments(options), opened.source.spec, opened.statistics_names);
  Statistics statistics =
      wants_hessians(opened, texts)
          ? collect_with_hessians(opened, texts, work)
          : collect_statistics(opened.walk(), texts.calibration->windows, opened.setup.memory_limit, opened.observer);
  statistics.text_name = options.calibration_text.filename().string();
  return statistics;
}

HessianStore store_of(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  if (const fs::path given = given_hessians(opened.options); !given.empty()) return {given, work.hashes.combined()};
  return {hessian_folder(work), hessians_of(opened, texts, work)};
}

}  // namespace

Calibrated::Calibrated(const Opened& opened, const CompressTexts& texts, const WorkFiles& work) {
  inputs_.emplace();
  if (!opened.calibrates()) return;
  const ModelSpec& spec = opened.source.spec;
  const fs::path file = statistics_file(work);
  if (!work.journal || !work.journal->has_statistics(file)) {
    const std::string sha256 = write_statistics(file, collected(opened, texts, work), spec, opened.statistics_names);
    if (work.journal) work.journal->add_statistics(sha256);
  }
  sha256_ = sha256_of_file(file);
  statistics_ = read_statistics(file, spec, opened.statistics_names);
  if (wants_hessians(opened, texts)) {
    hessians_ = store_of(opened, texts, work);
    const std::string both = sha256_ + hessians_->hash();
    sha256_ = sha256_of(std::as_bytes(std::span(both)));
  }
  inputs_.emplace(statistics_, hessians_ ? &*hessians_ : nullptr, opened.setup.memory_limit);
  if (opened.given) check_plan_statistics(*opened.given, sha256_, opened.options.plan);
}

void copy_statistics(const WorkFiles& work, const fs::path& folder) {
  OutputFolder out(folder, OutputFolder::Existing::kRefuse);
  const fs::path made = out.path() / "kept";
  std::error_code ec;
  fs::create_directory(made, ec);
  if (!ec) fs::copy(statistics_file(work), made / kStatisticsName, ec);
  if (!ec && fs::is_directory(hessian_folder(work)))
    fs::copy(hessian_folder(work), made / kHessiansName, fs::copy_options::recursive, ec);
  if (ec) fail(ErrorCode::kResource, "cannot write the statistics to {}: {}", folder.string(), ec.message());
  out.publish("kept");
}

fs::path statistics_file(const WorkFiles& work) { return work.folder / kStatisticsName; }

bool wants_hessians(const Opened& opened, const CompressTexts& texts) {
  if (!texts.calibration && given_hessians(opened.options).empty()) return false;
  if (opened.given) return needs_hessians(*opened.given);
  const auto needs = [](const std::string& name) { return find_optimizer(name).needs == Optimizer::Needs::kHessian; };
  const bool by_rule =
      opened.precision_map && std::ranges::any_of(opened.precision_map->rules, [&](const PrecisionRule& rule) {
        return !rule.optimizer.empty() && needs(rule.optimizer);
      });
  if (by_rule || (opened.optimizer && opened.optimizer->needs == Optimizer::Needs::kHessian)) return true;
  return is_measured(opened) && (!texts.calibration || why_too_large(opened, texts.calibration->windows).empty());
}

std::vector<std::string> calibration_notes(const Opened& opened, const CompressTexts& texts,
                                           const Calibrated& calibrated) {
  std::vector<std::string> notes;
  if (texts.calibration && is_measured(opened))
    if (std::string note = why_too_large(opened, texts.calibration->windows); !note.empty())
      notes.push_back(std::move(note));
  for (const ThinExpert& thin : thin_experts(calibrated.statistics()))
    notes.push_back(
        fmt::format("expert {} of {} saw {} tokens of the calibration text, fewer than {}: it takes the "
                    "statistics of all experts of its layer",
                    thin.expert, thin.group, thin.tokens, kFewestTokens));
  return notes;
}

}  // namespace quern
