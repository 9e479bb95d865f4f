// Writing safetensors: headers, shards, index and config.json at once, then tensor bytes in any order.
#include <algorithm>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"
#include "checkpoint/positional_writer.h"
#include "format/safetensors.h"
#include "packed/bitsandbytes.h"
#include "packed/compressed_tensors.h"
#include "packed/plane_types.h"
#include "packed/safetensors_header.h"
#include "packed/stored_layout.h"
#include "packed/vptq_folder.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

// Where one logical tensor lies.
struct Placement {
  std::uint32_t shard = 0;
  StoredLayout stored;
};

StoredLayout lay_out(const TensorSpec& spec, const Json& config) {
  if (const PlaneEncoding* encoding = find_plane_encoding(spec.encoding)) return lay_out_planes(spec, *encoding);
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

// How the tensors of a folder are stored, and what config.json says of it.
struct FolderKind {
  StoredLayout (*lay_out)(const TensorSpec& spec, const Json& config);
  Json (*described)(const CheckpointHead& head);
};

void check_announced(const TensorSpec& spec, const StoredLayout& stored) {
  ensure(spec.part_bytes.size() == stored.parts.size(), "tensor {} was announced with {} parts", spec.name,
         spec.part_bytes.size());
  for (std::size_t p = 0; p < stored.parts.size(); ++p)
    ensure(stored.parts[p].bytes == spec.part_bytes[p], "tensor {}: part {} takes {} bytes, {} were announced",
           spec.name, p, stored.parts[p].bytes, spec.part_bytes[p]);
}

// Places in head order; a shard is closed when the next tensor would take it past `max_bytes` of tensor data.
std::vector<Placement> place(const CheckpointHead& head, const FolderKind& kind) {
  std::vector<Placement> placements;
  std::uint32_t shard = 0;
  std::uint64_t filled = 0;
  for (const TensorSpec& spec : head.tensors) {
    StoredLayout stored = kind.lay_out(spec, head.config);
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
  const TensorSpec *packed = nullptr, *blocks = nullptr, *planes = nullptr;
  for (const TensorSpec& spec : head.tensors) {
    if (find_plane_encoding(spec.encoding)) planes = &spec;
    if (find_packed_encoding(spec.encoding)) packed = &spec;
    if (find_block_encoding(spec.encoding)) blocks = &spec;
  }
  if (packed && blocks)
    fail(ErrorCode::kInput, "{} ({}) and {} ({}) cannot be in one folder: a configuration names one package",
         packed->name, packed->encoding, blocks->name, blocks->encoding);
  if (planes && !packed && !blocks) return with_plane_config(head.config);
  return blocks ? with_bitsandbytes_config(head.config, head.tensors)
                : with_quantization_config(head.config, head.tensors);
}

constexpr FolderKind kByEncoding{lay_out, described};

StoredLayout lay_out_for_vptq(const TensorSpec& spec, const Json& config) {
  const VectorEncoding* encoding = find_vector_encoding(spec.encoding);
  return encoding ? lay_out_vptq_weight(spec, *encoding) : lay_out(spec, config);
}

Json described_for_vptq(const CheckpointHead& head) { return with_vptq_config(head.config, head.tensors); }

constexpr FolderKind kVptq{lay_out_for_vptq, described_for_vptq};

std::string shard_name(const std::string& stem, std::uint32_t shard, std::uint32_t count) {
  if (count == 1) return stem + ".safetensors";
  return fmt::format("{}-{:05}-of-{:05}.safetensors", stem, shard + 1, count);
}

// A file of weights before they are there.
struct ShardFile {
  std::string name, header;
  std::uint64_t bytes = 0;
};

// Everything about the files but the weights.
struct FolderLayout {
  std::vector<Placement> placements;  // with the offsets of their tensors
  std::vector<ShardFile> shards;
  std::vector<TextFile> texts;
};

TextFile json_file(std::string name, const Json& json) { return {std::move(name), dump_python_json(json, 2) + "\n"}; }

TextFile index_file(const std::string& stem, const FolderLayout& folder) {
  std::uint64_t total = 0;
  Json::Object map;
  for (const Placement& placement : folder.placements)
    for (const SafetensorsTensor& tensor : placement.stored.tensors) {
      total += tensor.bytes;
      map.emplace_back(tensor.name, folder.shards[placement.shard].name);
    }
  std::sort(map.begin(), map.end(), [](const Json::Member& a, const Json::Member& b) { return a.first < b.first; });
  return json_file(stem + ".safetensors.index.json",
                   Json::object({{"metadata", Json::object({{"total_size", total}})}, {"weight_map", std::move(map)}}));
}

// Lays out one shard and sets the offsets of its tensors.
ShardFile lay_out_shard(std::string name, std::uint32_t shard, std::vector<Placement>& placements) {
  std::vector<SafetensorsTensor> tensors;
  for (const Placement& placement : placements)
    if (placement.shard == shard)
      tensors.insert(tensors.end(), placement.stored.tensors.begin(), placement.stored.tensors.end());
  ShardFile file{std::move(name), lay_out_safetensors(tensors), 0};
  file.bytes = file.header.size();
  auto next = tensors.begin();
  for (Placement& placement : placements)
    if (placement.shard == shard)
      for (SafetensorsTensor& tensor : placement.stored.tensors) {
        tensor = std::move(*next++);
        file.bytes = std::max(file.bytes, tensor.offset + tensor.bytes);
      }
  return file;
}

FolderLayout lay_out_folder(const CheckpointHead& head, const FolderKind& kind) {
  const Json config = kind.described(head);
  FolderLayout folder{place(head, kind), {}, {}};
  const std::uint32_t shards = folder.placements.empty() ? 1 : folder.placements.back().shard + 1;
  for (std::uint32_t shard = 0; shard < shards; ++shard)
    folder.shards.push_back(lay_out_shard(shard_name(head.stem, shard, shards), shard, folder.placements));
  if (shards > 1) folder.texts.push_back(index_file(head.stem, folder));
  if (!config.is_null()) folder.texts.push_back(json_file("config.json", config));
  folder.texts.insert(folder.texts.end(), head.companions.begin(), head.companions.end());
  return folder;
}

void write_text(const fs::path& folder, const TextFile& content) {
  OutputFile file(folder / content.name);
  file.write(content.text);
  file.finish();
}

std::uint64_t bytes_of(const FolderLayout& folder) {
  std::uint64_t bytes = 0;
  for (const ShardFile& shard : folder.shards) bytes += shard.bytes;
  for (const TextFile& text : folder.texts) bytes += text.text.size();
  return bytes;
}

std::vector<WrittenFile> outline_of(FolderLayout folder) {
  std::vector<WrittenFile> files;
  for (ShardFile& shard : folder.shards) files.push_back({std::move(shard.name), std::move(shard.header), shard.bytes});
  for (TextFile& text : folder.texts) {
    const std::uint64_t bytes = text.text.size();
    files.push_back({std::move(text.name), std::move(text.text), bytes});
  }
  return files;
}

std::unique_ptr<CheckpointWriter> create_folder(const fs::path& path, FolderLayout folder) {
  std::vector<OutputFile> files;
  for (const ShardFile& shard : folder.shards)
    files.push_back(create_sized_file(path / shard.name, shard.header, shard.bytes));
  std::vector<WrittenTensor> written;
  for (const Placement& placement : folder.placements)
    for (const SafetensorsTensor& tensor : placement.stored.tensors)
      written.push_back({tensor.name, {{placement.shard, tensor.offset, tensor.bytes}}});
  std::vector<SettledFile> texts;
  for (const TextFile& text : folder.texts) {
    write_text(path, text);
    texts.push_back({path / text.name, text.text.size()});
  }
  std::vector<StoredLayout> layouts;
  for (Placement& placement : folder.placements) layouts.push_back(std::move(placement.stored));
  return make_encoding_writer(make_positional_writer(std::move(files), std::move(written), std::move(texts)),
                              std::move(layouts));
}

}  // namespace

std::uint64_t safetensors_file_bytes(const CheckpointHead& head) { return bytes_of(lay_out_folder(head, kByEncoding)); }
std::uint64_t vptq_folder_bytes(const CheckpointHead& head) { return bytes_of(lay_out_folder(head, kVptq)); }

std::vector<WrittenFile> safetensors_outline(const CheckpointHead& head) {
  return outline_of(lay_out_folder(head, kByEncoding));
}
std::vector<WrittenFile> vptq_folder_outline(const CheckpointHead& head) {
  return outline_of(lay_out_folder(head, kVptq));
}

std::unique_ptr<CheckpointWriter> create_safetensors(const fs::path& path, const CheckpointHead& head) {
  return create_folder(path, lay_out_folder(head, kByEncoding));
}
std::unique_ptr<CheckpointWriter> create_vptq_folder(const fs::path& path, const CheckpointHead& head) {
  return create_folder(path, lay_out_folder(head, kVptq));
}

}  // namespace quern
