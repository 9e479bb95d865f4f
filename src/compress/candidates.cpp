// A folder a plan, named after its hash, so that an interrupted run finds it again.
#include "compress/candidates.h"

#include <algorithm>
#include <string_view>

#include "base/fail.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "candidate-";
constexpr std::size_t kKept = 2;  // a decision is between the last two

// As far as they are there and can be opened: not those of a run that ended while it made or removed them.
std::vector<TensorFiles> files_in(const std::vector<fs::path>& folders) {
  std::vector<TensorFiles> files;
  for (const fs::path& folder : folders) {
    std::error_code ec;
    if (!fs::is_directory(folder, ec)) continue;
    try {
      files.emplace_back(folder);
    } catch (const Error&) {
    }
  }
  return files;
}

CheckpointHead head_with_counts(const Opened& opened, const Calibrated& calibrated, const Plan& plan) {
  CheckpointHead head = opened.head_of(plan);
  if (calibrated.is_empty()) return head;
  const Statistics& statistics = calibrated.statistics();
  ImportanceKeys keys = importance_keys(opened.options);
  keys.entries = static_cast<std::int32_t>(std::ranges::count_if(
      opened.source.spec.weights, [&](const Weight& weight) { return statistics.groups.contains(weight.group); }));
  keys.chunks = static_cast<std::int32_t>(statistics.windows);
  set_importance(head, opened.format, keys);
  return head;
}

}  // namespace

std::vector<fs::path> candidate_folders(const WorkFiles& work) {
  std::vector<fs::path> folders;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(work.folder, ec))
    if (entry.path().filename().string().starts_with(kPrefix)) folders.push_back(entry.path());
  std::ranges::sort(folders);
  return folders;
}

EncodeInput encode_input(const Opened& opened, const Calibrated& calibrated) {
  return {opened.source.weights, opened.source.spec, opened.names,  calibrated.inputs(),
          opened.pool(),         opened.observer,    &opened.copied};
}

std::vector<EncodedTensor> encode_files(const EncodeFiles& with, const Plan& plan, const fs::path& folder,
                                        const std::vector<fs::path>& earlier) {
  make_folder(folder);
  StatisticsHashes hashes = with.calibrated.hashes();
  EncodeInput input = encode_input(with.opened, with.calibrated);
  std::optional<SequentialSource> sequential;
  if (with.sequence) {
    hashes.sequence = with.sequence->hash();
    input.sequential = &sequential.emplace(with.sequence->source());
  }
  StepRecords records(with.work.records, hashes);
  input.hashes = with.running;
  input.stage = with.stage;
  return encode(input, plan, head_with_counts(with.opened, with.calibrated, plan), folder, &records, files_in(earlier));
}

Candidates::Candidates(const Opened& opened, const CompressTexts& texts, const Calibrated& calibrated,
                       const WorkFiles& work, SurveyOriginal::Keep keep)
    : opened_(opened),
      work_(work),
      calibrated_(calibrated),
      input_(encode_input(opened, calibrated)),
      original_(input_, texts.survey->windows, opened.setup, keep),
      folders_(candidate_folders(work)) {}

std::vector<EncodedTensor> Candidates::write(const Plan& plan) {
  fs::path folder = work_.folder / fmt::format("{}{:.16}", kPrefix, plan.sha256());
  std::erase(folders_, folder);
  const EncodeFiles with{opened_, calibrated_, work_, sequence_, nullptr, "encode a candidate"};
  std::vector<EncodedTensor> tensors = encode_files(with, plan, folder, folders_);
  folders_.push_back(std::move(folder));
  while (folders_.size() > kKept) {
    std::error_code ec;
    fs::remove_all(folders_.front(), ec);
    folders_.erase(folders_.begin());
  }
  return tensors;
}

Plan Candidates::carried_out(const Plan& plan) { return quern::carried_out(plan, write(plan)); }

double Candidates::measured_whole(const Plan& plan) { return measured_together(plan, {}).kld; }

PlanHarm Candidates::measured_together(const Plan& plan, const std::vector<StepGroup>& groups) {
  if (work_.journal)
    if (auto known = work_.journal->together(plan, groups)) return std::move(*known);
  write(plan);
  const OpenModel candidate(folders_.back());
  const PlanHarm harm = groups.empty() ? PlanHarm{measure_whole(original_, candidate), {}}
                                       : measure_gains(original_, plan, candidate, groups);
  if (work_.journal) work_.journal->add_together(plan, groups, harm);
  return harm;
}

}  // namespace quern
