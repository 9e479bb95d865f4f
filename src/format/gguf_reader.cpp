// Opening GGUF: one file, or the set NAME-00001-of-0000N.gguf ... that llama-gguf-split writes.
#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/quantized_numbers.h"
#include "format/gguf.h"
#include "format/gguf_header.h"
#include "packed/i2_s.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSplitNo = "split.no";
constexpr const char* kSplitCount = "split.count";
constexpr const char* kSplitTensors = "split.tensors.count";

struct SplitName {
  std::string prefix;
  std::uint32_t number = 0, count = 0;  // number counts from 1

  fs::path sibling(const fs::path& folder, std::uint32_t n) const {
    return folder / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, n, count);
  }
};

// Reads "PREFIX-00002-of-00005.gguf".
std::optional<SplitName> parse_split_name(const std::string& name) {
  constexpr std::string_view kPattern = "-ddddd-of-ddddd.gguf";
  if (name.size() <= kPattern.size()) return std::nullopt;
  const std::size_t start = name.size() - kPattern.size();
  SplitName split{name.substr(0, start), 0, 0};
  for (std::size_t i = 0; i < kPattern.size(); ++i) {
    const char c = name[start + i];
    if (kPattern[i] != 'd') {
      if (c != kPattern[i]) return std::nullopt;
    } else {
      if (c < '0' || c > '9') return std::nullopt;
      std::uint32_t& field = i < 6 ? split.number : split.count;
      field = field * 10 + static_cast<std::uint32_t>(c - '0');
    }
  }
  return split;
}

// Importance matrices, adapters and projectors are GGUF files too and say so; a file that cannot be read is left to the
// opener.
bool is_model(const fs::path& path) {
  try {
    return read_gguf_header(File(path)).metadata.text("general.type").value_or("model") == "model";
  } catch (const Error&) {
    return true;
  }
}

// The files of the models in a folder: each single file that is not hidden, and the first found file of each split set.
// Headers are read only where there is a choice to make.
std::vector<fs::path> gguf_models_in(const fs::path& folder) {
  std::map<std::string, fs::path> models;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() != ".gguf" || name.starts_with(".")) continue;
    const auto split = parse_split_name(name);
    models.emplace(split ? fmt::format("{} of {}", split->prefix, split->count) : name, entry.path());
  }
  std::vector<fs::path> paths;
  for (const auto& [name, path] : models)
    if (models.size() == 1 || is_model(path)) paths.push_back(path);
  return paths;
}

void append(Checkpoint::Contents& contents, const File& file, std::vector<TensorEntry> tensors) {
  const auto is_i2_s = [](const TensorEntry& tensor) {
    return tensor.encoding == "i2_s" || decoded_from(tensor) == kI2sName;
  };
  if (contents.notes.empty() && !contents.metadata.find(kI2sOrderKey) && std::ranges::any_of(tensors, is_i2_s))
    contents.notes.emplace_back(kI2sNote);
  const auto index = static_cast<std::uint32_t>(contents.files.size());
  contents.files.push_back({file.path(), file.size(), SourceFile::Role::kWeights});
  for (TensorEntry& tensor : tensors)
    for (TensorPart& part : tensor.parts) part.file = index;
  if (contents.tensors.empty())
    contents.tensors = std::move(tensors);
  else
    std::ranges::move(tensors, std::back_inserter(contents.tensors));
}

void check_split_part(const GgufHeader& header, const fs::path& path, std::uint32_t number, std::uint32_t count) {
  const std::int64_t found_no = header.metadata.integer(kSplitNo).value_or(-1);
  const std::int64_t found_count = header.metadata.integer(kSplitCount).value_or(-1);
  if (found_no != number - 1 || found_count != count) {
    fail(ErrorCode::kInput, "{} says that it is {} {} of {} {}, but its name says {} of {} (counted from 0)",
         path.string(), kSplitNo, found_no, kSplitCount, found_count, number - 1, count);
  }
}

// The metadata is that of the first file, without the keys that only describe the splitting.
Checkpoint open_split(const fs::path& path, const fs::path& asked, std::int64_t count) {
  const auto name = parse_split_name(path.filename().string());
  if (!name || name->count != count || name->number == 0) {
    fail(ErrorCode::kInput,
         "{} is one of {} parts, but is not named NAME-00001-of-{:05}.gguf, so that the others cannot be found",
         path.string(), count, count);
  }
  Checkpoint::Contents contents{"gguf", asked, {}, {}, {}, {}};
  for (std::uint32_t number = 1; number <= name->count; ++number) {
    const fs::path part = name->sibling(path.parent_path(), number);
    if (!find_file(part)) fail(ErrorCode::kInput, "part {} of {} is missing: {}", number, name->count, part.string());
    const File file(part);
    GgufHeader header = read_gguf_header(file);
    check_split_part(header, part, number, name->count);
    append(contents, file, std::move(header.tensors));
    if (number == 1) contents.metadata = std::move(header.metadata);
  }
  const std::int64_t announced =
      contents.metadata.integer(kSplitTensors).value_or(static_cast<std::int64_t>(contents.tensors.size()));
  if (announced != static_cast<std::int64_t>(contents.tensors.size())) {
    fail(ErrorCode::kInput, "{}: {} is {}, but the parts hold {} tensors", path.string(), kSplitTensors, announced,
         contents.tensors.size());
  }
  for (const char* key : {kSplitNo, kSplitCount, kSplitTensors}) contents.metadata.erase(key);
  return Checkpoint(std::move(contents));
}

}  // namespace

bool holds_gguf_model(const fs::path& folder) { return gguf_models_in(folder).size() == 1; }

Checkpoint open_gguf(const fs::path& asked) {
  fs::path path = asked;
  std::error_code ec;
  if (fs::is_directory(asked, ec)) {
    const std::vector<fs::path> models = gguf_models_in(asked);
    if (models.size() != 1)
      fail(ErrorCode::kInput, "{} holds {} GGUF models; name the file", asked.string(), models.size());
    path = models[0];
  }
  const File file(path);
  GgufHeader header = read_gguf_header(file);
  const std::int64_t split_count = with_context(fmt::format("while reading {}", path.string()),
                                                [&] { return header.metadata.integer(kSplitCount).value_or(0); });
  if (split_count > 1) return open_split(path, asked, split_count);
  Checkpoint::Contents contents{"gguf", asked, {}, {}, {}, std::move(header.metadata)};
  append(contents, file, std::move(header.tensors));
  return Checkpoint(std::move(contents));
}

}  // namespace quern
