// Writing safetensors: headers, shards, index and config.json at once, then tensor bytes in any order.
#include <algorithm>

#include "base/file.h"
#include "format/bitsandbytes.h"
#include "format/compressed_tensors.h"
#include "format/positional_writer.h"
#include "format/safetensors.h"
#include "format/safetensors_header.h"
#include "format/stored_layout.h"
#include "quern/error.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

// Where one logical tensor lies.
struct Placement {
  std::uint32_t shard = 0;
  StoredLayout stored;
};

StoredLayout lay_out(const TensorSpec& spec, const Json& config) {
  if (const PackedEncoding* encoding = find_packed_encoding(spec.encoding))
    return lay_out_packed_weight(spec, *encoding);
  if (const BlockEncoding* encoding = find_block_encoding(spec.encoding))
    return lay_out_bitsandbytes_weight(spec, *encoding, config);
  if (!find_safetensors_encoding(spec.encoding))
    fail(ErrorCode::kInput, "tensor \"{}\": safetensors cannot hold {}", spec.name, spec.encoding);
  StoredLayout stored;
  stored.add_part(spec.name, spec.encoding, spec.shape);
  return stored;
}

void check_announced(const TensorSpec& spec, const StoredLayout& stored) {
  ensure(spec.part_bytes.size() == stored.parts.size(), "tensor {} was announced with {} parts", spec.name,
         spec.part_bytes.size());
  for (std::size_t p = 0; p < stored.parts.size(); ++p)
    ensure(stored.parts[p].bytes == spec.part_bytes[p], "tensor {}: part {} takes {} bytes, {} were announced",
           spec.name, p, stored.parts[p].bytes, spec.part_bytes[p]);
}

// Places in head order; a shard is closed when the next tensor would take it past `max_bytes` of tensor data.
std::vector<Placement> place(const CheckpointHead& head) {
  std::vector<Placement> placements;
  std::uint32_t shard = 0;
  std::uint64_t filled = 0;
  for (const TensorSpec& spec : head.tensors) {
    StoredLayout stored = lay_out(spec, head.config);
    check_announced(spec, stored);
    std::uint64_t bytes = 0;
    for (const SafetensorsTensor& tensor : stored.tensors) bytes += tensor.bytes;
    if (head.max_file_bytes && filled && filled + bytes > head.max_file_bytes) {
      ++shard;
      filled = 0;
    }
    filled += bytes;
    placements.push_back({shard, std::move(stored)});
  }
  return placements;
}

// One quantization_config describes the weights of one package.
Json described(const CheckpointHead& head) {
  const TensorSpec *packed = nullptr, *blocks = nullptr;
  for (const TensorSpec& spec : head.tensors) {
    if (find_packed_encoding(spec.encoding)) packed = &spec;
    if (find_block_encoding(spec.encoding)) blocks = &spec;
  }
  if (packed && blocks)
    fail(ErrorCode::kInput, "{} ({}) and {} ({}) cannot be in one folder: a configuration names one package",
         packed->name, packed->encoding, blocks->name, blocks->encoding);
  return blocks ? with_bitsandbytes_config(head.config, head.tensors)
                : with_quantization_config(head.config, head.tensors);
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
    for (const SafetensorsTensor& tensor : placement.stored.tensors) {
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
    if (placement.shard == shard)
      tensors.insert(tensors.end(), placement.stored.tensors.begin(), placement.stored.tensors.end());
  const std::string header = lay_out_safetensors(tensors);
  std::uint64_t end = header.size();
  auto next = tensors.begin();
  for (Placement& placement : placements)
    if (placement.shard == shard)
      for (SafetensorsTensor& tensor : placement.stored.tensors) {
        tensor = std::move(*next++);
        end = std::max(end, tensor.offset + tensor.bytes);
      }
  return create_sized_file(path, header, end);
}

}  // namespace

std::unique_ptr<CheckpointWriter> create_safetensors(const fs::path& folder, const CheckpointHead& head) {
  const Json config = described(head);
  std::vector<Placement> placements = place(head);
  const std::uint32_t shards = placements.empty() ? 1 : placements.back().shard + 1;
  std::vector<OutputFile> files;
  for (std::uint32_t shard = 0; shard < shards; ++shard)
    files.push_back(create_shard(folder / shard_name(head.stem, shard, shards), shard, placements));
  std::vector<WrittenTensor> written;
  for (const Placement& placement : placements)
    for (const SafetensorsTensor& tensor : placement.stored.tensors)
      written.push_back({tensor.name, {{placement.shard, tensor.offset, tensor.bytes}}});
  if (shards > 1) write_index(folder, head.stem, shards, placements);
  if (!config.is_null()) write_text(folder / "config.json", config);
  std::vector<StoredLayout> layouts;
  for (Placement& placement : placements) layouts.push_back(std::move(placement.stored));
  return make_encoding_writer(make_positional_writer(std::move(files), std::move(written)), std::move(layouts));
}

}  // namespace quern
