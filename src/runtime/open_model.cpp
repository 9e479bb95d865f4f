// Opening a model, and what can be said of it as a whole.
#include "runtime/open_model.h"

#include <set>

namespace quern {

OpenModel::OpenModel(const std::filesystem::path& path, Unrecognised unrecognised)
    : checkpoint(open_checkpoint(path)),
      spec(unrecognised == Unrecognised::kList ? describe_or_list(checkpoint) : describe_model(checkpoint)),
      weights(checkpoint) {}

std::uint64_t OpenModel::parameters() const {
  std::uint64_t sum = 0;
  std::set<std::string> seen;
  for (const Weight& weight : spec.weights)
    if (seen.insert(weight.tensor).second) sum += weight.elements();
  return sum;
}

std::uint64_t OpenModel::file_bytes() const {
  std::uint64_t sum = 0;
  for (const SourceFile& file : checkpoint.files()) sum += file.bytes;
  return sum;
}

std::string OpenModel::name() const {
  std::error_code ec;
  const std::filesystem::path full = std::filesystem::canonical(checkpoint.path(), ec);
  return std::filesystem::is_directory(full, ec) ? full.filename().string() : full.stem().string();
}

}  // namespace quern
