// Opening safetensors: a file, or a Hugging Face folder with one file or with shards and an index.
#include "format/safetensors.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/fail.h"
#include "base/file.h"
#include "base/python_json.h"
#include "format/bitsandbytes.h"
#include "format/compressed_tensors.h"
#include "format/hf_folder.h"
#include "format/packed_mixes.h"
#include "format/plane_types.h"
#include "format/quantized_modules.h"
#include "format/safetensors_header.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

bool begins_like_safetensors(const fs::path& path) {
  std::byte head[9];
  const File file(path);
  if (file.size() < sizeof head) return false;
  file.read(0, head);
  return load<std::uint64_t>(head) <= file.size() - 8 && head[8] == std::byte{'{'};
}

bool probe(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return holds_hf_weights(path);
  if (!fs::is_regular_file(path, ec)) return false;
  return path.extension() == ".safetensors" || begins_like_safetensors(path);
}

// "model-00002-of-00005" -> 5; 0 when the name is not that of a shard.
unsigned shard_count(const std::string& stem) {
  const std::size_t of = stem.rfind("-of-");
  if (of == std::string::npos || stem.size() - of != 9) return 0;
  unsigned count = 0;
  for (const char digit : stem.substr(of + 4)) {
    if (digit < '0' || digit > '9') return 0;
    count = count * 10 + static_cast<unsigned>(digit - '0');
  }
  return count;
}

HfFiles find_weights(const fs::path& path) {
  if (fs::is_directory(path)) return find_hf_weights(path);
  if (const unsigned count = shard_count(path.stem().string()); count > 1) {
    fail(ErrorCode::kInput, "{} is one of {} shards; open their folder instead", path.string(), count);
  }
  return {{path}, {}, {}};
}

// Every tensor of the index lies in the shard it names, and in no other; no shard holds one that the index omits.
void check_index(const HfFiles& files, const std::vector<TensorEntry>& tensors) {
  std::map<std::string_view, std::uint32_t> holder;
  const auto shard = [&](std::uint32_t file) { return files.weights[file].filename().string(); };
  for (const TensorEntry& tensor : tensors) {
    const auto [at, fresh] = holder.emplace(tensor.name, tensor.parts[0].file);
    if (!fresh) {
      fail(ErrorCode::kInput, "tensor \"{}\" lies in two shards, {} and {}", tensor.name, shard(at->second),
           shard(tensor.parts[0].file));
    }
  }
  for (const Json::Member& member : files.weight_map.as_object()) {
    const auto at = holder.find(member.first);
    const std::string& wanted = member.second.as_string();
    if (at == holder.end() || shard(at->second) != wanted) {
      fail(ErrorCode::kInput, "{} says that tensor \"{}\" is in {}, but it is {}", files.index.string(), member.first,
           wanted, at == holder.end() ? "in no shard" : "in " + shard(at->second));
    }
    holder.erase(at);
  }
  if (!holder.empty()) {
    fail(ErrorCode::kInput, "tensor \"{}\" of {} is not in {}", holder.begin()->first, shard(holder.begin()->second),
         files.index.string());
  }
}

Json read_config(const std::vector<SourceFile>& companions) {
  for (const SourceFile& file : companions)
    if (file.path.filename() == "config.json") {
      return with_context(fmt::format("while reading {}", file.path.string()), [&] {
        Json config = parse_python_json(read_text(file.path));
        if (!config.is_object()) fail(ErrorCode::kInput, "a configuration is a JSON object");
        return config;
      });
    }
  return {};
}

Checkpoint open_safetensors(const fs::path& path) {
  const HfFiles weights = find_weights(path);
  Checkpoint::Contents contents{"safetensors", path, {}, {}, {}, {}};
  std::vector<File> files;
  for (const fs::path& weight_path : weights.weights) {
    const File& file = files.emplace_back(weight_path);
    const auto index = static_cast<std::uint32_t>(contents.files.size());
    contents.files.push_back({weight_path, file.size(), SourceFile::Role::kWeights});
    SafetensorsHeader header = read_safetensors_header(file);
    for (SafetensorsTensor& tensor : header.tensors) {
      contents.tensors.push_back({std::move(tensor.name),
                                  std::move(tensor.shape),
                                  tensor.type->encoding,
                                  {{index, tensor.offset, tensor.bytes}}});
    }
    for (const Metadata::Pair& pair : header.metadata.pairs()) contents.metadata.set(pair.first, pair.second);
  }
  if (!weights.index.empty()) {
    check_index(weights, contents.tensors);
    contents.files.push_back({weights.index, fs::file_size(weights.index), SourceFile::Role::kConfig});
  }
  const std::vector<SourceFile> companions = find_hf_companions(fs::is_directory(path) ? path : path.parent_path());
  contents.files.insert(contents.files.end(), companions.begin(), companions.end());
  contents.config = read_config(companions);
  with_context(fmt::format("while reading {}", path.string()), [&] {
    join_plane_tensors(files, contents.tensors);
    if (declares_planes(contents.config)) return;
    if (is_bitsandbytes(contents.config)) {
      join_bitsandbytes_weights(contents.config, files, contents.tensors);
    } else {
      join_packed_weights(contents.config, files, contents.tensors);
    }
  });
  return Checkpoint(std::move(contents));
}

bool holds(std::string_view encoding, std::uint64_t cols) {
  if (find_plane_encoding(encoding)) return true;
  if (const PackedEncoding* packed = find_packed_encoding(encoding)) return packed->divides(cols);
  return find_safetensors_encoding(encoding);
}

bool holds_for_bitsandbytes(std::string_view encoding, std::uint64_t cols) {
  if (find_block_encoding(encoding)) return cols % kNf4BlockWeights == 0;
  return find_safetensors_encoding(encoding);
}

const char* refuses(std::string_view encoding, std::string_view tensor, std::size_t axes) {
  return find_packed_encoding(encoding) ? why_not_packed(tensor, axes) : nullptr;
}

const char* refuses_for_bitsandbytes(std::string_view encoding, std::string_view tensor, std::size_t axes) {
  return find_block_encoding(encoding) ? why_not_in_4bit(tensor, axes) : nullptr;
}

constexpr const char* kFromPretrained = "AutoModelForCausalLM.from_pretrained(\"FOLDER\")";
constexpr Loader kPlainLoader = {kFromPretrained, "transformers", nullptr};
constexpr Loader kPackedLoader = {kFromPretrained, "transformers with the compressed-tensors package",
                                  "compressed-tensors"};
constexpr Loader kMixedLoader = {
    nullptr,
    "transformers 5.23 does not load the number formats of this folder beside each other: it takes one packed number "
    "format, of a mixture for all experts too, or several without zero points where nothing is a mixture and the "
    "embedding is not packed",
    "compressed-tensors"};
constexpr Loader kPlaneLoader = {
    nullptr, "no program but quern loads the planes of this folder; quern compress makes others of it, bit for bit",
    nullptr};
constexpr Loader kBitsandbytesLoader = {kFromPretrained, "transformers with the bitsandbytes package", "bitsandbytes"};

const Loader& loader(std::span<const StoredTensor> tensors) {
  if (std::ranges::any_of(tensors, [](const StoredTensor& t) { return find_plane_encoding(t.encoding); }))
    return kPlaneLoader;
  const std::span<const PackedMix> mixes = packed_mixes();
  const auto mix = std::ranges::find_if(mixes, [&](const PackedMix& m) { return m.admits_all(tensors); });
  if (mix == mixes.end()) return kMixedLoader;
  return mix->encodings.empty() ? kPlainLoader : kPackedLoader;
}

const Loader& loader_of_bitsandbytes(std::span<const StoredTensor>) { return kBitsandbytesLoader; }

}  // namespace

// Such a folder is recognised as safetensors.
const Format kBitsandbytes = {.name = "bitsandbytes",
                              .summary = "a Hugging Face folder with 4-bit weights of bitsandbytes",
                              .loaded_by = "transformers (+ bitsandbytes)",
                              .open = open_safetensors,
                              .holds = holds_for_bitsandbytes,
                              .refuses = refuses_for_bitsandbytes,
                              .vector_encoding = nullptr,
                              .create = create_safetensors,
                              .file_bytes = safetensors_file_bytes,
                              .loader = loader_of_bitsandbytes,
                              .joined = Format::Joined::kSameInput};

const Format kSafetensors = {.name = "safetensors",
                             .summary = "a .safetensors file, or a Hugging Face folder of them",
                             .loaded_by = "transformers (+ compressed-tensors if packed)",
                             .probe = probe,
                             .open = open_safetensors,
                             .holds = holds,
                             .refuses = refuses,
                             .vector_encoding = nullptr,
                             .create = create_safetensors,
                             .file_bytes = safetensors_file_bytes,
                             .loader = loader,
                             .joined = Format::Joined::kSameInput,
                             .mixes = packed_mixes};

}  // namespace quern
