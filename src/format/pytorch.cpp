// Opening what PyTorch saved: a file, or a Hugging Face folder with one file or with shards and an index.
#include "format/pytorch.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "archive/torch_file.h"
#include "archive/zip.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "checkpoint/described_files.h"
#include "checkpoint/file_kinds.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/quantized_numbers.h"
#include "packed/packed_layouts.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

// A damaged archive that is called like a model is opened too, so that it is said what is wrong with it.
bool probe_pytorch(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return holds_hf_weights(path, kPytorchNames);
  if (!fs::is_regular_file(path, ec)) return false;
  return (is_named_as_model(path) && begins_like_zip(path)) || is_torch_file(path);
}

HfFiles find_weights(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return find_hf_weights(path, kPytorchNames);
  check_no_shard(path);
  return {{path}, {}, {}};
}

// Of one file, whose index in the checkpoint is `file`.
void add_tensors(const TorchFile& from, const fs::path& path, std::uint32_t file, Checkpoint::Contents& contents) {
  for (const NamedTensor& named : from.state.tensors) {
    with_context(fmt::format("while reading {}, tensor {}", path.string(), printable_line(named.name)), [&] {
      const TorchTensor& tensor = named.tensor;
      const auto storage = from.storages.find(tensor.storage.key);
      if (storage == from.storages.end())
        fail(ErrorCode::kInput, "storage {} is missing", printable_line(tensor.storage.key));
      contents.tensors.push_back(
          {named.name, tensor.shape, torch_encoding(tensor), {torch_part(tensor, storage->second, file, from.order)}});
      if (TensorPart& part = contents.tensors.back().parts[0]; tensor.quantization)
        part = decoded_part(std::move(part), fmt::format("torch's {}", tensor.type->dtype));
    });
  }
}

// Several names of one tensor, such as a head that is the embedding: one note for each pair.
void note_shared(std::span<const NamedTensor> tensors, std::vector<std::string>& notes) {
  constexpr std::size_t kMostNotes = 20;
  using Place = std::tuple<std::string_view, std::uint64_t, const Shape&, const std::vector<std::uint64_t>&>;
  std::map<Place, std::string_view> first;
  std::size_t pairs = 0;
  for (const NamedTensor& named : tensors) {
    const TorchTensor& tensor = named.tensor;
    if (element_count(tensor.shape) == 0) continue;
    const auto [at, fresh] =
        first.try_emplace({tensor.storage.key, tensor.offset, tensor.shape, tensor.strides}, named.name);
    if (!fresh && pairs++ < kMostNotes)
      notes.push_back(fmt::format("{} and {} are one tensor in the file; each is counted, and written, for itself",
                                  printable_line(std::string(at->second)), printable_line(named.name)));
  }
}

void strip_wrappers_of_all(Checkpoint::Contents& contents) {
  std::vector<std::string*> names;
  for (TensorEntry& entry : contents.tensors) names.push_back(&entry.name);
  if (const std::string stripped = strip_wrappers(names); !stripped.empty())
    contents.notes.push_back(fmt::format("every name begins with \"{}\", which is left out", stripped));
}

Checkpoint open_pytorch(const fs::path& path) {
  const HfFiles weights = find_weights(path);
  Checkpoint::Contents contents{"pytorch", path, {}, {}, {}, {}};
  for (const fs::path& weight_path : weights.weights) {
    const File file(weight_path);
    const auto index = static_cast<std::uint32_t>(contents.files.size());
    contents.files.push_back({weight_path, file.size()});
    TorchFile found = read_torch_file(file);
    add_tensors(found, weight_path, index, contents);
    note_shared(found.state.tensors, contents.notes);
    contents.config = std::move(found.state.config);
    std::ranges::move(found.state.notes, std::back_inserter(contents.notes));
  }
  if (!weights.index.empty()) add_hf_index(weights, contents);
  if (contents.tensors.empty())
    fail(ErrorCode::kInput, "{} holds no tensors{}; open what torch.save wrote of the model's state_dict()",
         path.string(),
         contents.notes.empty() ? ", as a program of TorchScript without parameters has none"
                                : ": " + contents.notes.front());
  strip_wrappers_of_all(contents);
  std::error_code ec;
  add_hf_companions(fs::is_directory(path, ec) ? path : path.parent_path(), contents);
  with_context("while reading " + described_model(path, contents.files), [&] { unpack_layouts(contents); });
  return Checkpoint(std::move(contents));
}

}  // namespace

const Format kPytorch = {.name = "pytorch",
                         .summary = "a .pt, .pth, .th or .bin file of PyTorch, or a folder",
                         .loaded_by = "torch.load",
                         .probe = probe_pytorch,
                         .open = open_pytorch};

}  // namespace quern
