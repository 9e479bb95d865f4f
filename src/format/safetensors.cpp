// Opening safetensors: a file, or a Hugging Face folder with one file or with shards and an index.
#include "format/safetensors.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/described_files.h"
#include "checkpoint/hf_folder.h"
#include "packed/bitsandbytes.h"
#include "packed/compressed_tensors.h"
#include "packed/packed_layouts.h"
#include "packed/packed_mixes.h"
#include "packed/plane_types.h"
#include "packed/quantized_modules.h"
#include "packed/safetensors_header.h"
#include "packed/vptq_folder.h"

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

bool probe_safetensors(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return holds_hf_weights(path, kSafetensorsNames);
  if (!fs::is_regular_file(path, ec)) return false;
  return path.extension() == ".safetensors" || begins_like_safetensors(path);
}

// The one file lacks most of the tensors that the index beside it names, so that it is not what the shards became.
bool is_stale(const fs::path& single, const HfFiles& shards) {
  const SafetensorsHeader header = read_safetensors_header(File(single));
  std::set<std::string_view> names;
  for (const SafetensorsTensor& tensor : header.tensors) names.insert(tensor.name);
  const Json::Object& named = shards.weight_map.as_object();
  const auto there =
      std::ranges::count_if(named, [&](const Json::Member& member) { return names.contains(member.first); });
  return static_cast<std::size_t>(there) < named.size() / 2;
}

// An index of other shards than those that are there counts for nothing beside one file.
HfFiles whole_shards(const fs::path& folder) {
  try {
    return find_hf_index(folder, kSafetensorsNames);
  } catch (const Error&) {
    return {};
  }
}

HfFiles find_weights(const fs::path& path, std::vector<std::string>& notes) {
  std::error_code ec;
  if (!fs::is_directory(path, ec)) {
    check_no_shard(path);
    return {{path}, {}, {}};
  }
  HfFiles weights = find_hf_weights(path, kSafetensorsNames);
  if (!weights.index.empty()) return weights;
  HfFiles shards = whole_shards(path);
  if (shards.weights.empty() || !is_stale(weights.weights[0], shards)) return weights;
  notes.push_back(fmt::format("{} lacks most tensors that the index beside it names: the shards are read instead",
                              weights.weights[0].filename().string()));
  return shards;
}

Checkpoint open_safetensors(const fs::path& path) {
  Checkpoint::Contents contents{"safetensors", path, {}, {}, {}, {}, {}};
  const HfFiles weights = find_weights(path, contents.notes);
  for (const fs::path& weight_path : weights.weights) {
    const File file(weight_path);
    const auto index = static_cast<std::uint32_t>(contents.files.size());
    contents.files.push_back({weight_path, file.size(), SourceFile::Role::kWeights});
    SafetensorsHeader header = read_safetensors_header(file);
    if (contents.tensors.empty()) contents.tensors.reserve(header.tensors.size());
    for (; !header.tensors.empty(); header.tensors.pop_front()) {
      SafetensorsTensor& tensor = header.tensors.front();
      contents.tensors.push_back({std::move(tensor.name),
                                  std::move(tensor.shape),
                                  tensor.type->encoding,
                                  {{index, tensor.offset, tensor.bytes}}});
    }
    if (contents.metadata.empty())
      contents.metadata = std::move(header.metadata);
    else
      for (const Metadata::Pair& pair : header.metadata.pairs()) contents.metadata.set(pair.first, pair.second);
  }
  if (!weights.index.empty()) add_hf_index(weights, contents);
  std::error_code ec;
  const bool is_folder = fs::is_directory(path, ec);
  if (is_folder && (is_there(path / kPytorchNames.weights) || is_there(path / kPytorchNames.index)))
    contents.notes.push_back("the folder holds PyTorch's pickles beside the safetensors, which are not read");
  add_hf_companions(is_folder ? path : path.parent_path(), contents);
  with_context("while reading " + described_model(path, contents.files), [&] {
    join_plane_tensors(contents);
    unpack_layouts(contents);
  });
  return Checkpoint(std::move(contents));
}

bool safetensors_holds(std::string_view encoding, std::uint64_t cols) {
  if (find_plane_encoding(encoding)) return true;
  if (const PackedEncoding* packed = find_packed_encoding(encoding)) return packed->divides(cols);
  return find_safetensors_encoding(encoding);
}

bool holds_for_bitsandbytes(std::string_view encoding, std::uint64_t cols) {
  if (find_block_encoding(encoding)) return cols % kNf4BlockWeights == 0;
  return find_safetensors_encoding(encoding);
}

bool holds_for_vptq(std::string_view encoding, std::uint64_t) {
  return find_vector_encoding(encoding) || find_safetensors_encoding(encoding);
}

const char* refuses(std::string_view encoding, std::string_view tensor, std::size_t axes) {
  return find_packed_encoding(encoding) ? why_not_packed(tensor, axes) : nullptr;
}

const char* refuses_for_bitsandbytes(std::string_view encoding, std::string_view tensor, std::size_t axes) {
  return find_block_encoding(encoding) ? why_not_in_4bit(tensor, axes) : nullptr;
}

const char* refuses_for_vptq(std::string_view encoding, std::string_view tensor, std::size_t axes) {
  return find_vector_encoding(encoding) ? why_not_of_vectors(tensor, axes) : nullptr;
}

constexpr const char* kFromPretrained =
    "from transformers import AutoModelForCausalLM; model = AutoModelForCausalLM.from_pretrained(\"FOLDER\")";
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

constexpr Loader kVptqLoader = {kFromPretrained, "transformers with the vptq package", "vptq"};

// `packed` where a tensor is one that `is_packed`.
template <typename IsPacked>
const Loader& loader_of_packed(std::span<const StoredTensor> tensors, IsPacked is_packed, const Loader& packed) {
  return std::ranges::any_of(tensors, is_packed, &StoredTensor::encoding) ? packed : kPlainLoader;
}

const Loader& loader_of_bitsandbytes(std::span<const StoredTensor> tensors) {
  return loader_of_packed(
      tensors, [](std::string_view e) { return find_block_encoding(e) != nullptr; }, kBitsandbytesLoader);
}
const Loader& loader_of_vptq(std::span<const StoredTensor> tensors) {
  return loader_of_packed(tensors, [](std::string_view e) { return find_vector_encoding(e) != nullptr; }, kVptqLoader);
}

}  // namespace

// Such folders are recognised as safetensors.
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

const Format kVptqFolder = {.name = "vptq-package",
                            .summary = "a Hugging Face folder with matrices of the vptq package",
                            .loaded_by = "transformers (+ vptq)",
                            .open = open_safetensors,
                            .holds = holds_for_vptq,
                            .refuses = refuses_for_vptq,
                            .vector_encoding = nullptr,
                            .create = create_vptq_folder,
                            .file_bytes = vptq_folder_bytes,
                            .loader = loader_of_vptq};

const Format kSafetensors = {.name = "safetensors",
                             .summary = "a .safetensors file, or a Hugging Face folder of them",
                             .loaded_by = "transformers (+ compressed-tensors if packed)",
                             .probe = probe_safetensors,
                             .open = open_safetensors,
                             .holds = safetensors_holds,
                             .refuses = refuses,
                             .vector_encoding = nullptr,
                             .create = create_safetensors,
                             .file_bytes = safetensors_file_bytes,
                             .loader = loader,
                             .joined = Format::Joined::kSameInput,
                             .mixes = packed_mixes};

}  // namespace quern
