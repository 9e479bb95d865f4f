// Where the tensors of one file of weights lie, and what a writer puts around them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/parted_sha256.h"
#include "checkpoint/checkpoint.h"
#include "format/written_file.h"

namespace quern {

// A tensor as it is named in its file, whatever it stands for: one plane of a packed weight, for example.
struct StoredRun {
  std::string name;
  std::uint64_t offset = 0, bytes = 0;  // in the file

  ByteRange range() const { return {offset, offset + bytes}; }
};

struct FileLayout {
  std::uint64_t header_bytes = 0;  // before the first tensor, or all where there is none
  std::vector<StoredRun> runs;     // by offset

  // Of the header and of each run.
  std::vector<ByteRange> ranges() const;
};

// Reads the header alone. A file that is no container's has a layout without header and runs. Error(kInput) where a
// header is damaged.
FileLayout file_layout(const std::filesystem::path& file);

// Every file that Format::create makes of the head, before any tensor is written. Errors: Format::create.
std::vector<WrittenFile> written_files(const Format& format, const CheckpointHead& head);

}  // namespace quern
