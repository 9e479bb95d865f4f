// Writing safetensors: headers, shards, index and config.json at once, then tensor bytes in any order.
#include <algorithm>

#include "base/file.h"
#include "format/compressed_tensors.h"
#include "format/positional_writer.h"
#include "format/safetensors.h"
#include "format/safetensors_header.h"
#include "quern/error.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

// How one logical tensor is stored. The first part_bytes.size() stored tensors are its parts; a third one of an
// int8_channel tensor is its shape, which the writer fills itself.
struct Placement {
  std::uint32_t shard = 0;
  std::vector<SafetensorsTensor> stored;
};

std::vector<SafetensorsTensor> stored_tensors(const TensorSpec& spec) {
  if (spec.encoding == kPackedInt8) return split_packed_weight(spec);
  const SafetensorsType* type = find_safetensors_encoding(spec.encoding);
  if (!type) fail(ErrorCode::kInput, "tensor \"{}\": safetensors cannot hold {}", spec.name, spec.encoding);
  return {{spec.name, type, spec.shape}};
}

// Places in head order; a shard is closed when the next tensor would take it past `max_bytes` of tensor data.
std::vector<Placement> place(const CheckpointHead& head) {
  std::vector<Placement> placements;
  std::uint32_t shard = 0;
  std::uint64_t filled = 0;
  for (const TensorSpec& spec : head.tensors) {
    std::vector<SafetensorsTensor> stored = stored_tensors(spec);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < stored.size(); ++i) {
      stored[i].bytes = safetensors_bytes(*stored[i].type, stored[i].shape);
      bytes += stored[i].bytes;
      if (i < spec.part_bytes.size()) {
        ensure(stored[i].bytes == spec.part_bytes[i], "tensor {}: part {} takes {} bytes, {} were announced", spec.name,
               i, stored[i].bytes, spec.part_bytes[i]);
      }
    }
    ensure(spec.part_bytes.size() == (spec.encoding == kPackedInt8 ? 2 : 1), "tensor {} was announced with {} parts",
           spec.name, spec.part_bytes.size());
    if (head.max_file_bytes && filled && filled + bytes > head.max_file_bytes) {
      ++shard;
      filled = 0;
    }
    filled += bytes;
    placements.push_back({shard, std::move(stored)});
  }
  return placements;
}

std::string shard_name(const std::string& stem, std::uint32_t shard, std::uint32_t count) {
  if (count == 1) return stem + ".safetensors";
  return fmt::format("{}-{:05}-of-{:05}.safetensors", stem, shard + 1, count);
}

void write_text(const fs::path& path, const Json& json) {
  OutputFile file(path);
  file.write(dump_json(json, 2) + "\n");
  file.finish();
}

void write_index(const fs::path& folder, const std::string& stem, std::uint32_t shards,
                 const std::vector<Placement>& placements) {
  std::uint64_t total = 0;
  Json::Object map;
  for (const Placement& placement : placements)
    for (const SafetensorsTensor& tensor : placement.stored) {
      total += tensor.bytes;
      map.emplace_back(tensor.name, shard_name(stem, placement.shard, shards));
    }
  std::sort(map.begin(), map.end(), [](const Json::Member& a, const Json::Member& b) { return a.first < b.first; });
  write_text(folder / (stem + ".safetensors.index.json"),
             Json::object({{"metadata", Json::object({{"total_size", total}})}, {"weight_map", std::move(map)}}));
}

// Creates one shard and sets the offsets of its tensors.
OutputFile create_shard(const fs::path& path, std::uint32_t shard, std::vector<Placement>& placements) {
  std::vector<SafetensorsTensor> tensors;
  for (const Placement& placement : placements)
    if (placement.shard == shard) tensors.insert(tensors.end(), placement.stored.begin(), placement.stored.end());
  const std::string header = lay_out_safetensors(tensors);
  std::uint64_t end = header.size();
  auto next = tensors.begin();
  for (Placement& placement : placements)
    if (placement.shard == shard)
      for (SafetensorsTensor& tensor : placement.stored) {
        tensor = std::move(*next++);
        end = std::max(end, tensor.offset + tensor.bytes);
      }
  return create_sized_file(path, header, end);
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_safetensors(const fs::path& folder, const CheckpointHead& head) {
  std::vector<Placement> placements = place(head);
  const std::uint32_t shards = placements.empty() ? 1 : placements.back().shard + 1;
  std::vector<OutputFile> files;
  for (std::uint32_t shard = 0; shard < shards; ++shard)
    files.push_back(create_shard(folder / shard_name(head.stem, shard, shards), shard, placements));
  std::vector<WrittenTensor> written;
  for (std::size_t t = 0; t < placements.size(); ++t) {
    const Placement& placement = placements[t];
    const TensorSpec& spec = head.tensors[t];
    WrittenTensor& tensor = written.emplace_back(WrittenTensor{spec.name, {}});
    for (std::size_t p = 0; p < spec.part_bytes.size(); ++p)
      tensor.parts.push_back({placement.shard, placement.stored[p].offset, placement.stored[p].bytes});
    if (spec.encoding == kPackedInt8) {
      files[placement.shard].write_at(placement.stored[2].offset, std::as_bytes(std::span(spec.shape)));
    }
  }
  if (shards > 1) write_index(folder, head.stem, shards, placements);
  const Json config = with_quantization_config(head.config, head.tensors);
  if (!config.is_null()) write_text(folder / "config.json", config);
  return make_positional_writer(std::move(files), std::move(written));
}

}  // namespace quern
