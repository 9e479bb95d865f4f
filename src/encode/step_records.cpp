// One record a tensor and number format; and the sums that it is known by.
#include "encode/step_records.h"

#include "base/checksum.h"
#include "base/fail.h"
#include "base/sha256.h"

namespace quern {

StepRecords::StepRecords(Journal& journal, StatisticsHashes statistics)
    : journal_(journal), statistics_(std::move(statistics)) {}

// The source and the container are the journal's own.
std::string StepRecords::key_of(const PlanStep& step) const {
  const bool by_hessian = find_optimizer(step.optimizer).needs == Optimizer::Needs::kHessian;
  return fmt::format("{}{} {} {}{} {} {}", kPrefix, step.codec, step.optimizer, statistics_.moments,
                     by_hessian ? statistics_.hessians : "", step.is_sequential() ? statistics_.sequence : "",
                     step.output);
}

std::optional<StepRecord> StepRecords::find(const PlanStep& step) const {
  return journal_.read(key_of(step), [](const Json& record) {
    return StepRecord{record.at("hash").as_string(),
                      {record.at("weighted").as_double(), record.at("weighted_energy").as_double(),
                       record.at("plain").as_double(), record.at("plain_energy").as_double(),
                       record.at("output").as_double(), record.at("output_energy").as_double()}};
  });
}

void StepRecords::add(const PlanStep& step, const StepRecord& record) {
  journal_.add(key_of(step),
               Json::object({{"hash", record.hash},
                             {"weighted", record.error.weighted},
                             {"weighted_energy", record.error.weighted_energy},
                             {"plain", record.error.plain},
                             {"plain_energy", record.error.plain_energy},
                             {"output", record.error.output},
                             {"output_energy", record.error.output_energy}}),
               Journal::Durability::kSoon);
}

std::string plane_sum(ByteSpan bytes) { return fmt::format("{:016x}", checksum_of(bytes)); }

std::string packed_sums(const PackedTensor& packed) {
  std::string sums;
  for (std::size_t p = 0; p < packed.codec().planes.size(); ++p) sums += plane_sum(packed.plane(p));
  return sums;
}

std::string joined_hash(const std::vector<std::string>& of_tasks) {
  Sha256 hash;
  for (const std::string& one : of_tasks) hash.update(std::as_bytes(std::span(one)));
  return hash.hex();
}

}  // namespace quern
