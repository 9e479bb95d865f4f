// Reading ZIP archives (PKWARE, APPNOTE 6.3.10): entries that are stored or deflated, ZIP64, no encryption.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/byte_run.h"

namespace quern {

struct ZipEntry {
  std::string name;  // UTF-8, relative, without "..", in no other entry
  ByteRun run;
};

// Whether a file begins as an archive does that holds anything.
bool begins_like_zip(const std::filesystem::path& path);

// The entries by name; their data is not read. Error(kInput) with the numbers when anything breaks the specification,
// entries overlap or reach beyond the file, a name leaves the archive, or a size is none that deflated bytes can have.
// The checksums are not held against the data: torch can be told not to compute them.
std::vector<ZipEntry> read_zip_directory(const File& file);

// Null when there is none. `entries` are sorted by name.
const ZipEntry* find_entry(const std::vector<ZipEntry>& entries, std::string_view name);

// All of an entry. Error(kInput) when it is larger than max_bytes.
std::vector<std::byte> read_entry(const File& file, const ZipEntry& entry, std::uint64_t max_bytes);

}  // namespace quern
