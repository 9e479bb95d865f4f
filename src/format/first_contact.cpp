// Tables of first bytes, and of names in folders.
#include "format/first_contact.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/python_json.h"

namespace quern {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr const char* kOriginal = "open the checkpoint that it was exported from (safetensors, GGUF or PyTorch)";
constexpr const char* kUnpack = "unpack it and open the model in it";
constexpr const char* kConvert =
    "open the original, or convert it with the scripts of a llama.cpp of that time and then open the GGUF file";
constexpr const char* kToTorch =
    "save it as safetensors: transformers' from_pretrained(..., from_tf=True or from_flax=True), then save_pretrained";

// Bytes at a place in a file.
struct MagicRow {
  std::size_t at;
  std::string_view bytes, what;
  const char* next;
};
constexpr MagicRow kMagics[] = {
    {4, "TFL3"sv, "a TFLite model", kOriginal},
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file, as Keras writes its weights", kToTorch},
    {0, "fmgg"sv, "a ggml file from before GGUF", kConvert},
    {0, "tjgg"sv, "a ggml file from before GGUF", kConvert},
    {0, "algg"sv, "a ggml adapter from before GGUF", "open the adapter of PEFT that it was made from"},
    {0, "\x1f\x8b"sv, "an archive (gzip)", kUnpack},
    {0, "BZh"sv, "an archive (bzip2)", kUnpack},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "an archive (xz)", kUnpack},
    {0, "\x28\xb5\x2f\xfd"sv, "an archive (zstd)", kUnpack},
    {0, "7z\xbc\xaf\x27\x1c"sv, "an archive (7-Zip)", kUnpack},
    {0, "Rar!"sv, "an archive (RAR)", kUnpack},
    {257, "ustar"sv, "an archive (tar)", kUnpack},
};

// What a name alone says; of files and of the files in a folder.
struct NameRow {
  std::string_view prefix, suffix, what;
  const char* next;
};
constexpr NameRow kNames[] = {
    {"", ".onnx", "an ONNX model", kOriginal},
    {"", ".ort", "a model of ONNX Runtime", kOriginal},
    {"", ".tflite", "a TFLite model", kOriginal},
    {"", ".keras", "a Keras model", kToTorch},
    {"", ".h5", "a Keras model", kToTorch},
    {"", ".msgpack", "weights of Flax", kToTorch},
    {"saved_model", ".pb", "a SavedModel of TensorFlow", kToTorch},
    {"", ".pb", "a graph of TensorFlow", kToTorch},
    {"", ".ckpt.index", "a checkpoint of TensorFlow 1", kToTorch},
    {"model.ckpt", ".index", "a checkpoint of TensorFlow 1", kToTorch},
    {"", ".pdparams", "weights of PaddlePaddle", "save them as safetensors with that program"},
    {"", ".mlmodel", "a model of Core ML", kOriginal},
    {"", ".nemo", "an archive of NeMo", kUnpack},
    {"", ".engine", "an engine of TensorRT, made for one GPU", kOriginal},
    {"", ".incomplete", "a download that is not complete", "finish it, or download the file again"},
    {"", ".part", "a download that is not complete", "finish it, or download the file again"},
    {"", ".crdownload", "a download that is not complete", "finish it, or download the file again"},
    {"", ".aria2", "a download that is not complete", "finish it, or download the file again"},
    {"", ".zip", "an archive (ZIP)", kUnpack},
};

constexpr std::string_view kSingles[] = {".pt", ".pth", ".th", ".npz", ".gguf", ".bin"};
constexpr std::string_view kModelNames[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                            "pytorch_model.bin.index.json"};

constexpr std::uint32_t kGgmlMagic = 0x67676d6c;
// Vocabularies of Whisper: English only, all languages, and with one language more (version 3).
constexpr std::uint32_t kWhisperVocabularies[] = {51864, 51865, 51866};

std::vector<std::byte> first_bytes(const fs::path& path, std::size_t count) {
  const File file(path);
  std::vector<std::byte> bytes(std::min<std::uint64_t>(file.size(), count));
  file.read(0, bytes);
  return bytes;
}

const NameRow* row_of(const std::string& name) {
  for (const NameRow& row : kNames)
    if (name.starts_with(row.prefix) && name.ends_with(row.suffix)) return &row;
  return nullptr;
}

// ggml of llama.cpp and of whisper.cpp begin alike; the next number is the size of the vocabulary.
std::string old_ggml(const fs::path& path, std::span<const std::byte> bytes) {
  if (bytes.size() < 8 || load<std::uint32_t>(bytes.data()) != kGgmlMagic) return {};
  if (std::ranges::find(kWhisperVocabularies, load<std::uint32_t>(bytes.data() + 4)) != std::end(kWhisperVocabularies))
    return fmt::format("{} is a Whisper model of whisper.cpp (ggml), which is not read; {}", path.string(),
                       "open the checkpoint of transformers that it was made from");
  return fmt::format("{} is a ggml file from before GGUF, which is not read; {}", path.string(), kConvert);
}

std::string what_file_is(const fs::path& path) {
  const std::vector<std::byte> bytes = first_bytes(path, 512);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) return fmt::format("{} is empty: its download went wrong; download it again", path.string());
  if (const NameRow* row = row_of(path.filename().string()))
    return fmt::format("{} is {}, which is not read; {}", path.string(), row->what, row->next);
  for (const MagicRow& row : kMagics)
    if (text.substr(std::min(row.at, text.size())).starts_with(row.bytes))
      return fmt::format("{} is {}, which is not read; {}", path.string(), row.what, row.next);
  if (std::string old = old_ggml(path, bytes); !old.empty()) return old;
  if (text.starts_with("PK"))
    return fmt::format("{} is an archive (ZIP), which is not read; {}", path.string(), kUnpack);
  if (path.extension() == ".json")
    return fmt::format("{} is a text of JSON and holds no weights; open its folder", path.string());
  return {};
}

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::vector<fs::directory_entry> all;
  std::error_code ec;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ec)) all.push_back(entry);
  std::ranges::sort(all);
  return all;
}

std::string names_of(std::span<const std::string> names) {
  constexpr std::size_t kShown = 3;
  return fmt::format("{}{}", fmt::join(names.first(std::min(kShown, names.size())), ", "),
                     names.size() > kShown ? ", ..." : "");
}

bool is_weights(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".safetensors" || std::ranges::find(kSingles, extension) != std::end(kSingles);
}

// Names of the folders in it that hold files of weights.
std::vector<std::string> folders_with_weights(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code ec;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    if (!entry.is_directory(ec) || entry.path().filename().string().starts_with(".")) continue;
    const std::vector<fs::directory_entry> inner = entries_of(entry.path());
    if (std::ranges::any_of(inner, [](const fs::directory_entry& e) { return is_weights(e.path()); }))
      found.push_back(entry.path().filename().string());
  }
  return found;
}

// The snapshot that "main" is, else the only one.
std::string hub_repository(const fs::path& folder) {
  std::error_code ec;
  if (!fs::is_directory(folder / "snapshots", ec) || !fs::is_directory(folder / "refs", ec)) return {};
  std::string commit;
  if (fs::is_regular_file(folder / "refs" / "main", ec)) commit = read_text(folder / "refs" / "main", 4096);
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) commit.pop_back();
  const std::vector<fs::directory_entry> all = entries_of(folder / "snapshots");
  if (commit.empty() || !fs::is_directory(folder / "snapshots" / commit, ec))
    commit = all.empty() ? "" : all.back().path().filename().string();
  if (commit.empty())
    return fmt::format(
        "{} is a repository in the cache of the Hugging Face hub without any snapshot; download it again",
        folder.string());
  return fmt::format("{} is a repository in the cache of the Hugging Face hub; open its snapshot {}", folder.string(),
                     (folder / "snapshots" / printable(commit)).string());
}

std::string what_folder_is(const fs::path& folder) {
  const std::vector<fs::directory_entry> entries = entries_of(folder);
  const std::string path = folder.string();
  std::error_code ec;
  if (entries.empty()) return fmt::format("{} is an empty folder; download the model into it", path);
  if (std::string repository = hub_repository(folder); !repository.empty()) return repository;
  const std::vector<std::string> folders = folders_with_weights(folder);
  if (fs::exists(folder / "model_index.json", ec))
    return fmt::format("{} is a pipeline of diffusers, several models in folders of their own; open one of them{}",
                       path, folders.empty() ? "" : ": " + names_of(folders));
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("consolidated.") && (name.ends_with(".pth") || name.ends_with(".pt")))
      return fmt::format(
          "{} holds {}, weights in Meta's own layout, which are not read as a model; convert them with "
          "transformers' script for them, or open the repository whose name ends in -hf",
          path, printable(name));
    if (name.starts_with("models--"))
      return fmt::format("{} is the cache of the Hugging Face hub; open a snapshot in it, {}", path,
                         (entry.path() / "snapshots" / "...").string());
  }
  for (const fs::directory_entry& entry : entries)
    if (const NameRow* row = row_of(entry.path().filename().string()))
      return fmt::format("{} holds {}, {}, and no weights that are read; {}", path,
                         printable(entry.path().filename().string()), row->what, row->next);
  if (!folders.empty())
    return fmt::format("{} holds no weights itself; open a folder in it: {}", path, names_of(folders));
  if (fs::exists(folder / "config.json", ec))
    return fmt::format("{} holds a config.json and no weights; download those too, or open the folder where they are",
                       path);
  return {};
}

// "org/name": two parts of letters, digits, '-', '_' and '.'.
bool is_hub_id(const std::string& text) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == '/';
  };
  return std::ranges::all_of(text, fits) && std::ranges::count(text, '/') == 1 && text.find('/') > 0 &&
         !text.ends_with('/') && !text.starts_with('.') && text.find("/.") == std::string::npos && !is_weights(text);
}

}  // namespace

std::string what_it_is(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return what_folder_is(path);
  if (fs::is_regular_file(path, ec)) return what_file_is(path);
  const std::string id = path.string();
  if (fs::exists(path, ec) || !is_hub_id(id) || fs::is_directory(path.parent_path(), ec)) return {};
  return fmt::format(
      "{} does not exist; if it is a repository of the Hugging Face hub, download it and open the "
      "folder that is printed: hf download {}",
      id, id);
}

std::string adapter_only(const fs::path& path) {
  std::error_code ec;
  const fs::path config = path / "adapter_config.json";
  if (!fs::is_directory(path, ec) || !fs::is_regular_file(config, ec)) return {};
  for (const std::string_view name : kModelNames)
    if (fs::exists(path / name, ec)) return {};
  std::string kind = "PEFT", base = "its base";
  try {
    const Json json = parse_python_json(read_text(config));
    if (const Json* type = json.find("peft_type"); type && type->is_string()) kind = printable(type->as_string());
    if (const Json* name = json.find("base_model_name_or_path"); name && name->is_string())
      base = "its base, " + printable(name->as_string());
  } catch (const Error&) {
    // what it is is clear without it
  }
  return fmt::format("{} holds an adapter ({}) and no model; open {}, and give this folder as `adapter`", path.string(),
                     kind, base);
}

fs::path only_weights_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ec;
  for (const fs::directory_entry& entry : entries_of(folder))
    if (entry.is_regular_file(ec) && is_weights(entry.path()) && !entry.path().filename().string().starts_with("."))
      found.push_back(entry.path());
  const bool is_metas = !found.empty() && found[0].filename().string().starts_with("consolidated.");
  return found.size() == 1 && !is_metas ? found[0] : fs::path();
}

}  // namespace quern
