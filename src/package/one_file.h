// A result that is one file, as -o model.gguf asks for it: what was measured of it lies in the folder
// model.gguf.report.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "quern/compress_options.h"

namespace quern {

// Whether an output is one file: by its name, which ends in .gguf, unless a folder has it or it ends in a slash.
// Error(kUsage) for a name that promises another kind of file.
bool is_one_file(const std::filesystem::path& output);

// Where report, card and manifest are: in the output itself, or in FILE.report.
std::filesystem::path evidence_path(const std::filesystem::path& output);

// The folder of the manifest of a package that is named by its folder or by its one file.
std::filesystem::path manifest_folder(const std::filesystem::path& package);

// What stands in the way of writing the file, before anything is made. Error(kUsage) when it or its evidence is there
// already (kRefuse), or would replace what quern did not write. Evidence without its file is what a run left that was
// interrupted while it published: one that resumes may replace it.
void check_one_file(const CompressOptions& options);

// Gives the folder `folder` of `out` the name of the evidence, and then its one file of weights, written by this head,
// that of the target. REQUIRES: both are complete.
void publish_one_file(OutputFolder& out, const std::string& folder, const CheckpointHead& head,
                      const std::filesystem::path& target);

}  // namespace quern
