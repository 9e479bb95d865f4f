// Since PyTorch 1.6: a ZIP archive, all of it in one folder:
//
//   NAME/data.pkl       the pickle; storages are persistent ids ("storage", type, KEY, device, elements)
//   NAME/data/KEY       bytes of a storage, stored
//   NAME/byteorder      "little" or "big"; absent: little
//   NAME/version        of the archive
//   NAME/code/, NAME/constants.pkl, NAME/constants/   only in TorchScript: its programs, which are not read
#include <algorithm>

#include "archive/torch_file.h"
#include "archive/zip.h"
#include "base/counted.h"
#include "base/fail.h"
#include "base/printable.h"

namespace quern {
namespace {

constexpr std::string_view kPickle = "/data.pkl";
constexpr std::uint64_t kMostPickleBytes = std::uint64_t{1} << 28, kMostOrderBytes = 16;

// NAME, or nothing.
std::string folder_of(const std::vector<ZipEntry>& entries) {
  std::string found;
  for (const ZipEntry& entry : entries) {
    if (!entry.name.ends_with(kPickle) || entry.name.find('/') != entry.name.size() - kPickle.size()) continue;
    if (!found.empty())
      fail(ErrorCode::kInput, "there are two, {}{} and {}", printable_line(found), kPickle, printable_line(entry.name));
    found = entry.name.substr(0, entry.name.size() - kPickle.size());
  }
  return found;
}

StridedLayout::Order order_of(const File& file, const ZipEntry* entry) {
  if (!entry) return StridedLayout::Order::kLittleEndian;
  const std::vector<std::byte> bytes = read_entry(file, *entry, kMostOrderBytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text == "little") return StridedLayout::Order::kLittleEndian;
  if (text == "big") return StridedLayout::Order::kBigEndian;
  fail(ErrorCode::kInput, "its byte order is \"{}\", neither little nor big", printable_line(text));
}

bool is_program(const std::vector<ZipEntry>& entries, const std::string& folder) {
  return find_entry(entries, folder + "/constants.pkl") != nullptr;
}

void note_program(const std::vector<ZipEntry>& entries, const std::string& folder, std::vector<std::string>& notes) {
  const auto constants = std::ranges::count_if(
      entries, [&](const ZipEntry& entry) { return entry.name.starts_with(folder + "/constants/"); });
  notes.push_back(fmt::format("a TorchScript archive: its code and {} are left out",
                              counted(static_cast<std::uint64_t>(constants), "constant")));
}

// A program that holds the model as its one part calls everything after that part.
void strip_part(std::vector<NamedTensor>& tensors, std::vector<std::string>& notes) {
  constexpr std::string_view kPart = "model.";
  if (tensors.empty() || !std::ranges::all_of(tensors, [&](const NamedTensor& t) { return t.name.starts_with(kPart); }))
    return;
  for (NamedTensor& tensor : tensors) tensor.name.erase(0, kPart.size());
  notes.push_back(fmt::format("every name begins with \"{}\", which is left out", kPart));
}

}  // namespace

bool is_torch_file(const std::filesystem::path& path) try {
  const File file(path);
  if (is_legacy_torch_file(file)) return true;
  return begins_like_zip(path) && !folder_of(read_zip_directory(file)).empty();
} catch (const Error&) {
  return false;
}

TorchFile read_torch_archive(const File& file) {
  const std::vector<ZipEntry> entries = read_zip_directory(file);
  return with_context(fmt::format("while reading {}", file.path().string()), [&] {
    const std::string folder = folder_of(entries);
    const ZipEntry* entry = find_entry(entries, folder + std::string(kPickle));
    if (!entry) fail(ErrorCode::kInput, "the archive holds no data.pkl: PyTorch did not write it");
    const std::vector<std::byte> bytes = read_entry(file, *entry, kMostPickleBytes);
    const std::optional<Pickle> pickle = read_pickle(bytes);
    if (!pickle) fail(ErrorCode::kInput, "{} is cut short: download the file again", printable_line(entry->name));
    TorchFile found{find_state_dict(*pickle), {}, order_of(file, find_entry(entries, folder + "/byteorder"))};
    const std::string data = folder + "/data/";
    for (const ZipEntry& one : entries)
      if (one.name.starts_with(data)) found.storages.emplace(one.name.substr(data.size()), one.run);
    if (is_program(entries, folder)) {
      note_program(entries, folder, found.state.notes);
      strip_part(found.state.tensors, found.state.notes);
    }
    return found;
  });
}

TorchFile read_torch_file(const File& file) {
  return is_legacy_torch_file(file) ? read_legacy_torch_file(file) : read_torch_archive(file);
}

}  // namespace quern
