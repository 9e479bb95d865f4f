// llama.cpp's importance-matrix GGUF, both ways.
//
//   general.type             "imatrix"
//   imatrix.datasets         [name of the text]
//   imatrix.chunk_count      windows;  imatrix.chunk_size  tokens a window
//   NAME.in_sum2  f32 [1, columns]  sum of x^2 over the tokens;  NAME.counts  f32 [1, 1]  number of tokens
#include "calib/statistics.h"

#include <cmath>

#include "base/sha256.h"
#include "quern/checkpoint.h"
#include "quern/error.h"

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

InputMoments read_moments(const Checkpoint& file, const std::string& name, std::uint64_t columns) {
  const std::vector<float> sums = read_floats(file, file.at(name + kSumSuffix));
  const std::vector<float> counts = read_floats(file, file.at(name + kCountSuffix));
  if (sums.size() != columns)
    fail(ErrorCode::kInput, "statistics of {} have {} columns, the weight has {}", name, sums.size(), columns);
  if (counts.size() != 1)
    fail(ErrorCode::kInput, "statistics of {} hold {} counts of tokens, expected one", name, counts.size());
  if (counts[0] < 1 || counts[0] > kMostTokens)
    fail(ErrorCode::kInput, "statistics of {} were taken over {} tokens", name, counts[0]);
  InputMoments moments{.mean_square = {}, .tokens = static_cast<std::uint64_t>(counts[0])};
  for (const float sum : sums) moments.mean_square.push_back(static_cast<double>(sum) / counts[0]);
  return moments;
}

}  // namespace

std::span<const double> moments_of(const Statistics& statistics, const Weight& weight) {
  const auto found = statistics.groups.find(weight.group);
  if (weight.group.empty() || found == statistics.groups.end()) return {};
  return found->second.mean_square;
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
    const InputMoments& moments = found->second;
    std::vector<float> sums;
    for (const double mean : moments.mean_square)
      sums.push_back(static_cast<float>(mean * static_cast<double>(moments.tokens)));
    head.tensors.push_back({exported.name + kSumSuffix, {1, sums.size()}, kFloat32, {sums.size() * sizeof(float)}});
    head.tensors.push_back({exported.name + kCountSuffix, {1, 1}, kFloat32, {sizeof(float)}});
    payload.push_back(std::move(sums));
    payload.push_back({static_cast<float>(moments.tokens)});
  }
  const auto writer = find_format("gguf").create(path.parent_path(), head);
  for (std::size_t i = 0; i < payload.size(); ++i) writer->write(i, 0, 0, std::as_bytes(std::span(payload[i])));
  writer->finish();
  return sha256_of_file(path);
}

Statistics read_statistics(const std::filesystem::path& path, const ModelSpec& spec, const ExportMap& map) {
  return with_context("while reading statistics " + path.string(), [&] {
    const Checkpoint file = find_format("gguf").open(path);
    if (file.metadata().text("general.type") != "imatrix")
      fail(ErrorCode::kInput, "this GGUF file is not an importance matrix (general.type)");
    Statistics statistics;
    for (const ExportedWeight& exported : map.weights) {
      const Weight& weight = spec.weights[exported.weight];
      if (weight.group.empty() || !file.find(exported.name + kSumSuffix) || statistics.groups.count(weight.group))
        continue;
      statistics.groups.emplace(weight.group, read_moments(file, exported.name, weight.axes.back().extent));
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
