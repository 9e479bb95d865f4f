// llama.cpp's importance-matrix GGUF, both ways.
//
//   general.type             "imatrix"
//   imatrix.datasets         [name of the text]
//   imatrix.chunk_count      windows;  imatrix.chunk_size  tokens a window
//   NAME.in_sum2  f32 [experts, columns]  sum of x^2 over the tokens;  NAME.counts  f32 [experts, 1]  number of tokens
// (experts: 1 for all but the matrices of a mixture)
#include "calib/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/sha256.h"
#include "checkpoint/checkpoint.h"
#include "format/formats.h"

namespace quern {
namespace {

constexpr const char* kSumSuffix = ".in_sum2";
constexpr const char* kCountSuffix = ".counts";
constexpr float kMostTokens = 1e15f;  // far below 2^64, far above any text

std::vector<float> read_floats(const Checkpoint& file, const TensorEntry& entry) {
  if (entry.encoding != kFloat32)
    fail(ErrorCode::kInput, "statistics tensor {} is stored as {}, expected f32", entry.name, entry.encoding);
  std::vector<float> values(element_count(entry.shape));
  file.read(entry, 0, 0, std::as_writable_bytes(std::span(values)));
  for (const float v : values)
    if (!std::isfinite(v) || v < 0)
      fail(ErrorCode::kInput, "statistics tensor {} holds {}; sums of squares are finite and not negative", entry.name,
           v);
  return values;
}

GroupMoments read_moments(const Checkpoint& file, const std::string& name, std::uint64_t columns,
                          std::uint64_t experts) {
  const std::vector<float> sums = read_floats(file, file.at(name + kSumSuffix));
  const std::vector<float> counts = read_floats(file, file.at(name + kCountSuffix));
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
    const Checkpoint file = importance_format().open(path);
    if (file.metadata().text("general.type") != "imatrix")
      fail(ErrorCode::kInput, "this GGUF file is not an importance matrix (general.type)");
    Statistics statistics;
    for (const ExportedWeight& exported : map.weights) {
      const Weight& weight = spec.weights[exported.weight];
      if (weight.group.empty() || !file.find(exported.name + kSumSuffix) || statistics.groups.count(weight.group))
        continue;
      statistics.groups.emplace(weight.group,
                                read_moments(file, exported.name, weight.axes.back().extent, weight.experts()));
    }
    if (statistics.groups.empty()) fail(ErrorCode::kInput, "no entry matches a weight of this model");
    statistics.windows = static_cast<std::uint64_t>(file.metadata().integer("imatrix.chunk_count").value_or(0));
    statistics.window_length = static_cast<std::uint64_t>(file.metadata().integer("imatrix.chunk_size").value_or(0));
    if (const auto* names = file.metadata().array<std::string>("imatrix.datasets"); names && !names->empty())
      statistics.text_name = names->front();
    return statistics;
  });
}

}  // namespace quern
