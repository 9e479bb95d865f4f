// A table of first bytes, and what the names of files in folders say.
#include "format/first_contact.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "checkpoint/file_kinds.h"
#include "checkpoint/hub_cache.h"
#include "format/llama2c.h"

namespace quern {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

// Bytes at a place in a file, which is then of the kind that such a name says.
struct MagicRow {
  std::size_t at;
  std::string_view bytes, name;
};
constexpr MagicRow kMagics[] = {
    {4, "TFL3"sv, ".tflite"},
    {0, "\x89HDF\r\n\x1a\n"sv, ".hdf5"},
    {0, "fmgg"sv, ".ggml"},
    {0, "tjgg"sv, ".ggml"},
    {0, "\x1f\x8b"sv, ".gz"},
    {0, "BZh"sv, ".bz2"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     ".xz"},
    {0, "\x28\xb5\x2f\xfd"sv, ".zst"},
    {0, "7z\xbc\xaf\x27\x1c"sv, ".7z"},
    {0, "Rar!"sv, ".rar"},
    {0, "PK"sv, ".zip"},
    {257, "ustar"sv, ".tar"},
};

constexpr std::string_view kOldAdapter = "algg";
constexpr std::uint32_t kGgmlMagic = 0x67676d6c;
// Vocabularies of Whisper: English only, all languages, and with one language more (version 3).
constexpr std::uint32_t kWhisperVocabularies[] = {51864, 51865, 51866};

std::vector<std::byte> first_bytes(const fs::path& path, std::size_t count) {
  const File file(path);
  std::vector<std::byte> bytes(std::min<std::uint64_t>(file.size(), count));
  file.read(0, bytes);
  return bytes;
}

std::string is_not_read(const fs::path& path, const FileKind& kind) {
  if (kind.holds == FileKind::Holds::kNothing)
    return fmt::format("{} is {} and holds no weights; {}", path.string(), kind.what, kind.next);
  return fmt::format("{} is {}, which is not read; {}", path.string(), kind.what, kind.next);
}

// ggml of llama.cpp and of whisper.cpp begin alike; the next number is the size of the vocabulary.
std::string old_ggml(const fs::path& path, std::span<const std::byte> bytes, std::string_view text) {
  if (text.starts_with(kOldAdapter))
    return fmt::format(
        "{} is a ggml adapter from before GGUF, which is not read; open the adapter of PEFT that it was "
        "made from",
        path.string());
  if (bytes.size() < 8 || load<std::uint32_t>(bytes.data()) != kGgmlMagic) return {};
  if (std::ranges::find(kWhisperVocabularies, load<std::uint32_t>(bytes.data() + 4)) != std::end(kWhisperVocabularies))
    return fmt::format("{} is a Whisper model of whisper.cpp (ggml), which is not read; {}", path.string(),
                       "open the checkpoint of transformers that it was made from");
  return is_not_read(path, *kind_of_file(".ggml"));
}

// Without control bytes, which numbers have.
bool is_text(std::string_view bytes) {
  constexpr std::string_view kSpaces = "\t\n\f\r";
  return std::ranges::all_of(
      bytes, [&](char c) { return static_cast<unsigned char>(c) >= ' ' || kSpaces.find(c) != std::string_view::npos; });
}

std::string what_file_is(const fs::path& path) {
  const std::vector<std::byte> bytes = first_bytes(path, 512);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) return fmt::format("{} is empty: its download went wrong; download it again", path.string());
  const FileKind* kind = kind_of_file(path);
  if (kind && kind->holds != FileKind::Holds::kModel) return is_not_read(path, *kind);
  for (const MagicRow& row : kMagics)
    if (text.substr(std::min(row.at, text.size())).starts_with(row.bytes))
      return is_not_read(path, *kind_of_file(row.name));
  if (std::string old = old_ggml(path, bytes, text); !old.empty()) return old;
  if (std::string cut = damaged_llama2c(path); !cut.empty()) return cut;
  return is_text(text) ? is_not_read(path, *kind_of_file(".txt")) : "";
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

// Names of the folders in it that hold files of weights.
std::vector<std::string> folders_with_weights(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code ec;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    if (!entry.is_directory(ec) || entry.path().filename().string().starts_with(".")) continue;
    const std::vector<fs::directory_entry> inner = entries_of(entry.path());
    if (std::ranges::any_of(inner, [](const fs::directory_entry& e) { return is_named_as_model(e.path()); }))
      found.push_back(entry.path().filename().string());
  }
  return found;
}

bool is_hub_repository(const fs::path& folder) {
  std::error_code ec;
  return fs::is_directory(folder / "snapshots", ec) &&
         (fs::is_directory(folder / "refs", ec) || is_repository_in_hub_cache(folder));
}

// The snapshot of a repository that "main" is, else the last; empty: there is none.
fs::path snapshot_in(const fs::path& repository) {
  std::error_code ec;
  std::string commit;
  if (fs::is_regular_file(repository / "refs" / "main", ec)) commit = read_text(repository / "refs" / "main", 4096);
  while (!commit.empty() && std::isspace(static_cast<unsigned char>(commit.back()))) commit.pop_back();
  const std::vector<fs::directory_entry> all = entries_of(repository / "snapshots");
  if (commit.empty() || !fs::is_directory(repository / "snapshots" / commit, ec))
    commit = all.empty() ? "" : all.back().path().filename().string();
  return commit.empty() ? fs::path() : repository / "snapshots" / commit;
}

std::string what_repository_is(const fs::path& folder) {
  const fs::path snapshot = snapshot_in(folder);
  if (snapshot.empty())
    return fmt::format(
        "{} is a repository in the cache of the Hugging Face hub without any snapshot; download it again",
        folder.string());
  return fmt::format("{} is a repository in the cache of the Hugging Face hub; open its snapshot {}", folder.string(),
                     printable_line(snapshot.string()));
}

// The folder that has models--ORG--NAME in it, a repository each.
std::string what_cache_is(const fs::path& folder) {
  std::vector<std::string> snapshots;
  std::size_t repositories = 0;
  for (const fs::directory_entry& entry : entries_of(folder)) {
    if (!is_repository_in_hub_cache(entry.path())) continue;
    ++repositories;
    if (const fs::path snapshot = snapshot_in(entry.path()); !snapshot.empty())
      snapshots.push_back(printable_line(snapshot.string()));
  }
  if (repositories == 0) return {};
  if (snapshots.empty())
    return fmt::format(
        "{} is the cache of the Hugging Face hub, and no repository in it has a snapshot; download the "
        "model again",
        folder.string());
  return fmt::format("{} is the cache of the Hugging Face hub; open {}: {}", folder.string(),
                     snapshots.size() == 1 ? "the snapshot in it" : "one of the snapshots in it", names_of(snapshots));
}

std::string what_folder_is(const fs::path& folder) {
  const std::vector<fs::directory_entry> entries = entries_of(folder);
  const std::string path = folder.string();
  std::error_code ec;
  if (entries.empty()) return fmt::format("{} is an empty folder; download the model into it", path);
  if (is_hub_repository(folder)) return what_repository_is(folder);
  for (const fs::path& cache : {folder, folder / "hub"})  // HF_HUB_CACHE, and HF_HOME
    if (std::string what = what_cache_is(cache); !what.empty()) return what;
  const std::vector<std::string> folders = folders_with_weights(folder);
  if (find_file(folder / "model_index.json"))
    return fmt::format("{} is a pipeline of diffusers, several models in folders of their own; open one of them{}",
                       path, folders.empty() ? "" : ": " + names_of(folders));
  for (const fs::directory_entry& entry : entries)
    if (const FileKind* kind = kind_of_file(entry.path()); kind && kind->holds == FileKind::Holds::kOther)
      return fmt::format("{} holds {}, {}, and no weights that are read; {}", path,
                         printable_line(entry.path().filename().string()), kind->what, kind->next);
  if (!folders.empty())
    return fmt::format("{} holds no weights itself; open a folder in it: {}", path, names_of(folders));
  if (find_file(folder / "config.json"))
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
         !text.ends_with('/') && !text.starts_with('.') && text.find("/.") == std::string::npos &&
         !is_named_as_model(text);
}

}  // namespace

std::string what_it_is(const fs::path& path) {
  std::error_code ec;
  if (fs::is_directory(path, ec)) return what_folder_is(path);
  if (fs::is_regular_file(path, ec)) return what_file_is(path);
  const std::string id = path.string();
  if (is_there(path) || !is_hub_id(id) || fs::is_directory(path.parent_path(), ec)) return {};
  return fmt::format(
      "{} does not exist; if it is a repository of the Hugging Face hub, download it and open the "
      "folder that is printed: hf download {}",
      id, id);
}

std::vector<fs::path> models_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ec;
  for (const fs::directory_entry& entry : entries_of(folder))
    if (entry.is_regular_file(ec) && is_named_as_model(entry.path()) &&
        !entry.path().filename().string().starts_with("."))
      found.push_back(entry.path());
  return found;
}

}  // namespace quern
