// The writer behind every container: each part of each tensor has its place in a file of final size.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/checkpoint.h"

namespace quern {

struct WrittenTensor {
  std::string name;
  std::vector<TensorPart> parts;
};

// `texts`: the files beside those of the weights. Between the parts of a file that is continued zeros are
// written, whatever was there. REQUIRES: the headers are written, and parts neither overlap nor leave their file.
std::unique_ptr<CheckpointWriter> make_positional_writer(std::vector<OutputFile> files,
                                                         std::vector<WrittenTensor> tensors,
                                                         std::vector<SettledFile> texts = {});

// Creates `path` with `header` at its start and `bytes` bytes in all; what is not written later reads as zero. A file
// of that header and size that is there already is continued: an interrupted run may have filled it.
OutputFile create_sized_file(const std::filesystem::path& path, std::string_view header, std::uint64_t bytes);

}  // namespace quern
