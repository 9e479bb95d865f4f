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
  std::uint32_t checksum = 0;  // CRC-32; 0: not computed
};

// Whether a file begins as an archive does that holds anything.
bool begins_like_zip(const std::filesystem::path& path);

// The entries by name; their data is not read. Error(kInput) with the numbers when anything breaks the specification,
// entries overlap or reach beyond the file, a name leaves the archive, or a size is none that deflated bytes can have.
// A deflated entry's checksum is held against its bytes wherever their end is read, a stored one's where all of it is
// read by read_entry. torch can be told not to compute them, and writes 0.
std::vector<ZipEntry> read_zip_directory(const File& file);

// Null when there is none. `entries` are sorted by name.
const ZipEntry* find_entry(const std::vector<ZipEntry>& entries, std::string_view name);

// All of an entry. Error(kInput) when it is larger than max_bytes, or its checksum is another.
std::vector<std::byte> read_entry(const File& file, const ZipEntry& entry, std::uint64_t max_bytes);

}  // namespace quern
