// The file is held to the hash in the plan before anything goes by it.
#include "package/package_statistics.h"

#include <limits>

#include "base/sha256.h"
#include "package/package_names.h"
#include "package/statistics_names.h"
#include "quern/error.h"

namespace quern {

std::optional<Statistics> PackageStatistics::read(Verification& v, const OpenModel& original) {
  const std::string& wanted = v.manifest.plan.statistics_sha256;
  const std::filesystem::path path = v.package / kStatisticsName;
  if (wanted.empty() || v.changed_files.contains(kStatisticsName)) return std::nullopt;
  try {
    const std::string hash = sha256_of_file(path);
    if (hash == wanted) return read_statistics(path, original.spec, statistics_names(original));
    v.problem("{} is not what the plan was made with: its sha256 is {}, the plan says {}", kStatisticsName, hash,
              wanted);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInput) throw;
    v.problem("{} cannot be read: {}", kStatisticsName, error.what());
  }
  return std::nullopt;
}

PackageStatistics::PackageStatistics(Verification& v, const OpenModel& original)
    : statistics_(read(v, original)),
      complete_(statistics_ || v.manifest.plan.statistics_sha256.empty()),
      inputs_(statistics_ ? Inputs(*statistics_, nullptr, std::numeric_limits<std::uint64_t>::max()) : Inputs()) {}

}  // namespace quern
