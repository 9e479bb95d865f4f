// A ZIP archive with an entry NAME.npy for each array. What has no numbers in it, and what is no array, is a note.
#include "format/npz.h"

#include <string>

#include "archive/npy_header.h"
#include "archive/zip.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/printable.h"
#include "checkpoint/hf_folder.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kArraySuffix = ".npy";

bool probe_npz(const fs::path& path) {
  std::error_code ec;
  return fs::is_regular_file(path, ec) && path.extension() == ".npz" && begins_like_zip(path);
}

void add_entry(const File& file, const ZipEntry& entry, Checkpoint::Contents& contents) {
  const std::string shown = printable_line(entry.name);
  if (!entry.name.ends_with(kArraySuffix) || entry.name.size() == kArraySuffix.size()) {
    contents.notes.push_back(fmt::format("{} is not an array, and is left out", shown));
    return;
  }
  with_context(fmt::format("while reading {}, array {}", file.path().string(), shown), [&] {
    const NpyHeader header = read_npy_header(file, entry.run);
    if (!header.array) {
      contents.notes.push_back(fmt::format("{} has elements of type {}, which are no numbers, and is left out", shown,
                                           printable_line(header.descr)));
      return;
    }
    contents.tensors.push_back({entry.name.substr(0, entry.name.size() - kArraySuffix.size()),
                                header.array->layout.shape,
                                header.array->encoding,
                                {strided_part(entry.run, 0, header.array->layout)}});
  });
}

Checkpoint open_npz(const fs::path& path) {
  const File file(path);
  Checkpoint::Contents contents{"npz", path, {{path, file.size()}}, {}, {}, {}};
  for (const ZipEntry& entry : read_zip_directory(file)) add_entry(file, entry, contents);
  add_hf_companions(path.parent_path(), contents);
  return Checkpoint(std::move(contents));
}

}  // namespace

const Format kNpz = {
    .name = "npz", .summary = "a .npz file of NumPy", .loaded_by = "numpy.load", .probe = probe_npz, .open = open_npz};

}  // namespace quern
