// llama.cpp's importance-matrix GGUF, both ways; its older form is read.
//
//   general.type             "imatrix"
//   imatrix.datasets         [name of the text]
//   imatrix.chunk_count      windows;  imatrix.chunk_size  tokens a window
//   NAME.in_sum2  f32 [experts, columns]  sum of x^2 over the tokens;  NAME.counts  f32 [experts, 1]  number of tokens
// (experts: 1 for all but the matrices of a mixture)
#include "calib/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "base/fail.h"
#include "base/sha256.h"
#include "calib/legacy_imatrix.h"
#include "checkpoint/checkpoint.h"
#include "format/formats.h"

namespace quern {
namespace {

constexpr const char* kSumSuffix = ".in_sum2";
constexpr const char* kCountSuffix = ".counts";
constexpr float kMostTokens = 1e15f;  // far below 2^64, far above any text

void check_sums(const std::string& name, std::span<const float> values) {
  for (const float v : values)
    if (!std::isfinite(v) || v < 0)
      fail(ErrorCode::kInput, "statistics tensor {} holds {}; sums of squares are finite and not negative", name, v);
}

std::vector<float> read_floats(const Checkpoint& file, const TensorEntry& entry) {
  if (entry.encoding != kFloat32)
    fail(ErrorCode::kInput, "statistics tensor {} is stored as {}, expected f32", entry.name, entry.encoding);
  std::vector<float> values(element_count(entry.shape));
  file.read(entry, 0, 0, std::as_writable_bytes(std::span(values)));
  check_sums(entry.name, values);
  return values;
}

// Sums over so many tokens each, of one weight.
struct StoredSums {
  std::vector<float> sums, counts;  // [experts * columns], [experts]
};

GroupMoments moments_from(const StoredSums& stored, const std::string& name, std::uint64_t columns,
                          std::uint64_t experts) {
  const auto& [sums, counts] = stored;
  if (sums.size() != columns * experts)
    fail(ErrorCode::kInput, "statistics of {} have {} values, the weight has {} columns for {} inputs", name,
         sums.size(), columns, experts);
  if (counts.size() != experts)
    fail(ErrorCode::kInput, "statistics of {} hold {} counts of tokens, expected {}", name, counts.size(), experts);
  GroupMoments group;
  for (std::uint64_t e = 0; e < experts; ++e) {
    if (counts[e] > kMostTokens || (experts == 1 && counts[e] < 1))
      fail(ErrorCode::kInput, "statistics of {} were taken over {} tokens", name, counts[e]);
    InputMoments moments{.mean_square = {}, .tokens = static_cast<std::uint64_t>(counts[e])};
    for (std::uint64_t c = 0; c < columns; ++c)
      moments.mean_square.push_back(static_cast<double>(sums[e * columns + c]) / std::max(1.0f, counts[e]));
    group.experts.push_back(std::move(moments));
  }
  group.pooled = pool_moments(group.experts);
  return group;
}

// An importance matrix, in either of its forms.
struct ImportanceFile {
  std::function<std::optional<StoredSums>(const std::string& weight, std::uint64_t experts)> find;
  std::uint64_t windows = 0, window_length = 0;
  std::string text_name;
};

ImportanceFile open_gguf(const std::filesystem::path& path) {
  const auto file = std::make_shared<const Checkpoint>(importance_format().open(path));
  const Metadata& keys = file->metadata();
  if (keys.text("general.type") != "imatrix")
    fail(ErrorCode::kInput, "this GGUF file is not an importance matrix (general.type)");
  ImportanceFile opened;
  opened.find = [file](const std::string& weight, std::uint64_t) -> std::optional<StoredSums> {
    const TensorEntry* sums = file->find(weight + kSumSuffix);
    if (!sums) return std::nullopt;
    return StoredSums{read_floats(*file, *sums), read_floats(*file, file->at(weight + kCountSuffix))};
  };
  opened.windows = static_cast<std::uint64_t>(keys.integer("imatrix.chunk_count").value_or(0));
  opened.window_length = static_cast<std::uint64_t>(keys.integer("imatrix.chunk_size").value_or(0));
  if (const auto* names = keys.array<std::string>("imatrix.datasets"); names && !names->empty())
    opened.text_name = names->front();
  return opened;
}

// It has one count for all experts of a mixture, though each saw other tokens.
ImportanceFile open_legacy(const std::filesystem::path& path) {
  const auto matrix = std::make_shared<const LegacyImatrix>(read_legacy_imatrix(path));
  ImportanceFile opened;
  opened.find = [matrix](const std::string& weight, std::uint64_t experts) -> std::optional<StoredSums> {
    const auto found = matrix->entries.find(weight);
    if (found == matrix->entries.end()) return std::nullopt;
    StoredSums stored{found->second.sums, {}};
    check_sums(weight, stored.sums);
    for (float& sum : stored.sums) sum *= static_cast<float>(kLegacyChunk);
    const std::uint64_t tokens = std::max<std::uint64_t>(1, found->second.calls) * kLegacyChunk;
    stored.counts.assign(experts, static_cast<float>(tokens));
    return stored;
  };
  opened.windows = matrix->chunks;
  opened.window_length = kLegacyChunk;
  opened.text_name = matrix->dataset;
  return opened;
}

ImportanceFile open_importance(const std::filesystem::path& path) {
  return is_legacy_imatrix(path) ? open_legacy(path) : open_gguf(path);
}

}  // namespace

InputMoments pool_moments(const std::vector<InputMoments>& experts) {
  InputMoments pooled{.mean_square = std::vector<double>(experts.front().mean_square.size(), 0.0), .tokens = 0};
  for (const InputMoments& expert : experts) {
    pooled.tokens += expert.tokens;
    for (std::size_t c = 0; c < pooled.mean_square.size(); ++c)
      pooled.mean_square[c] += expert.mean_square[c] * static_cast<double>(expert.tokens);
  }
  for (double& value : pooled.mean_square) value /= static_cast<double>(std::max<std::uint64_t>(1, pooled.tokens));
  return pooled;
}

std::span<const double> moments_of(const Statistics& statistics, const Weight& weight, std::size_t expert) {
  const auto found = statistics.groups.find(weight.group);
  if (weight.group.empty() || found == statistics.groups.end()) return {};
  const GroupMoments& group = found->second;
  const bool own = group.experts.size() == 1 || group.experts.at(expert).tokens >= kFewestTokens;
  return own ? group.experts.at(group.experts.size() == 1 ? 0 : expert).mean_square : group.pooled.mean_square;
}

std::vector<ThinExpert> thin_experts(const Statistics& statistics) {
  std::vector<ThinExpert> thin;
  for (const auto& [name, group] : statistics.groups)
    for (std::size_t e = 0; group.experts.size() > 1 && e < group.experts.size(); ++e)
      if (group.experts[e].tokens < kFewestTokens) thin.push_back({name, e, group.experts[e].tokens});
  return thin;
}

std::string write_statistics(const std::filesystem::path& path, const Statistics& statistics, const ModelSpec& spec,
                             const ExportMap& map) {
  CheckpointHead head;
  head.stem = path.stem().string();
  head.metadata.set("general.type", std::string("imatrix"));
  head.metadata.set("imatrix.datasets", MetaArray{std::vector<std::string>{statistics.text_name}});
  head.metadata.set("imatrix.chunk_count", static_cast<std::uint32_t>(statistics.windows));
  head.metadata.set("imatrix.chunk_size", static_cast<std::uint32_t>(statistics.window_length));
  std::vector<std::vector<float>> payload;
  for (const ExportedWeight& exported : map.weights) {
    const auto found = statistics.groups.find(spec.weights[exported.weight].group);
    if (found == statistics.groups.end()) continue;
    const std::vector<InputMoments>& experts = found->second.experts;
    std::vector<float> sums, counts;
    for (const InputMoments& moments : experts) {
      for (const double mean : moments.mean_square)
        sums.push_back(static_cast<float>(mean * static_cast<double>(moments.tokens)));
      counts.push_back(static_cast<float>(moments.tokens));
    }
    const std::uint64_t columns = experts.front().mean_square.size(), count = experts.size();
    head.tensors.push_back({exported.name + kSumSuffix, {count, columns}, kFloat32, {sums.size() * sizeof(float)}});
    head.tensors.push_back({exported.name + kCountSuffix, {count, 1}, kFloat32, {count * sizeof(float)}});
    payload.push_back(std::move(sums));
    payload.push_back(std::move(counts));
  }
  const auto writer = importance_format().create(path.parent_path(), head);
  for (std::size_t i = 0; i < payload.size(); ++i) writer->write(i, 0, 0, std::as_bytes(std::span(payload[i])));
  writer->finish();
  return sha256_of_file(path);
}

Statistics read_statistics(const std::filesystem::path& path, const ModelSpec& spec, const ExportMap& map) {
  return with_context("while reading statistics " + path.string(), [&] {
    const ImportanceFile file = open_importance(path);
    Statistics statistics;
    for (const ExportedWeight& exported : map.weights) {
      const Weight& weight = spec.weights[exported.weight];
      if (weight.group.empty() || statistics.groups.count(weight.group)) continue;
      if (const auto stored = file.find(exported.name, weight.experts()))
        statistics.groups.emplace(weight.group,
                                  moments_from(*stored, exported.name, weight.axes.back().extent, weight.experts()));
    }
    if (statistics.groups.empty()) fail(ErrorCode::kInput, "no entry matches a weight of this model");
    statistics.windows = file.windows;
    statistics.window_length = file.window_length;
    statistics.text_name = file.text_name;
    return statistics;
  });
}

std::string text_of_statistics(const std::filesystem::path& path) {
  return with_context("while reading statistics " + path.string(), [&] { return open_importance(path).text_name; });
}

}  // namespace quern
