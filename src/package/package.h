// A package: the folder that `compress` leaves behind and that `eval` and `verify` open.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "package/folder_files.h"
#include "package/package_names.h"
#include "plan/plan.h"
#include "report/manifest.h"
#include "report/report.h"
#include "runtime/open_model.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {

// Names and order of the weights in a container: as they stand between folders of transformers, as the container's
// programs expect them otherwise. Error(kInfeasible) when these cannot express the model, Error(kInput) when no
// architecture recognises it and says what its weights are, Error(kUsage) when the container is only read.
ExportMap export_map(const OpenModel& source, const Format& format);

// What a file that holds everything says of its number formats.
struct MixName {
  std::string suffix;       // behind the model's name: "q4_k_m"
  std::uint32_t file_type;  // general.file_type
};

// Of a plan that takes what the scheme says, and of another whose file has so many bytes: no scheme's name, but the
// size ("4.70MB"), and llama.cpp's number for the number format that most weights have.
MixName name_of_scheme(const Scheme& scheme);
MixName name_of_size(const Plan& plan, std::uint64_t bytes);

// Header of the files of any plan, but for their tensors and what set_mix_name says: hyper-parameters, vocabulary.
// Error(kInput) where the container holds a tokenizer and the source has none that can be used.
CheckpointHead package_head(const ExportMap& names, const Format& format, const OpenModel& source,
                            const SourceTokenizer& tokenizer);

// Names the file of a model, and what is in it, where the container's files have such names. `model`: "llama-7m".
void set_mix_name(CheckpointHead& head, const Format& format, const std::string& model, const MixName& mix);

// general.name, where the container's files have one.
void set_model_name(CheckpointHead& head, const Format& format, const std::string& name);

// What of the source's folder stays behind, and what the container cannot say of the tokenizer, for people.
// Error(kInput) as of package_head.
std::vector<std::string> package_notes(const Format& format, const OpenModel& source, const SourceTokenizer& tokenizer);

// What llama-quantize says of the importance matrix that a file was made with (quantize.imatrix.*). The bytes do not
// depend on the counts, so that sizes are known before them.
struct ImportanceKeys {
  std::string file, dataset;             // names, not paths; a data set that is not known is empty
  std::int32_t entries = 0, chunks = 0;  // matrices it knows, windows it was summed over
};
void set_importance(CheckpointHead& head, const Format& format, const ImportanceKeys& keys);

// That a tokenizer has more pieces than the embedding has rows, for people; empty: it has not.
std::string surplus_pieces(const Vocabulary& vocabulary, std::uint64_t rows);

// Gives the header the tensors of a plan, and what of its configuration hangs on them.
void set_tensors(CheckpointHead& head, std::vector<TensorSpec> tensors, const ExportMap& names);

// Bytes of the files that a runtime needs in a package with this head, exactly: weights and configuration as they are
// written, and the files of the source that go along.
std::uint64_t package_bytes(const CheckpointHead& head, const Format& format, const Checkpoint& source);

// What of a source's own files is copied into a package: its tokenizer.
std::vector<CarriedFile> copied_files(const Checkpoint& source, const Format& format);
// What lies beside them: copied, or left.
FolderFiles carried_files(const Checkpoint& source, const Format& format);

// Whether the folder is one that a chain of compressions wrote, and nothing else is in it.
bool is_chain(const std::filesystem::path& folder);

// What stands in the way of writing the folder `output`, before anything is made. Error(kUsage) when it is the input
// model or a folder around it, or when it would replace (kReplace) something that quern did not write: only an empty
// folder, a package and a chain may go.
void check_output(const std::filesystem::path& output, const std::filesystem::path& input,
                  OutputFolder::Existing existing);

// A folder whose manifest.json is one of quern's, of any version, and that holds nothing but what the manifest lists.
bool is_package(const std::filesystem::path& folder);

// `output`.rejected
std::filesystem::path rejected_path(const std::filesystem::path& output);

// Where a package is put together, and where it will lie.
struct PackagePlace {
  std::filesystem::path work;    // of the run
  std::filesystem::path folder;  // within it, with the weights
  std::filesystem::path output;  // the folder's place when it is published
  std::string name;              // that a person gave the model; empty: it has the source's
  std::string file;              // name that the weights will have beside that place; empty: they stay in the folder
};

// Adds to the weights in place.folder what the runtime needs beside them, the statistics that place.work holds, if any,
// then report (JSON and HTML), card and manifest, which says where the source is as seen from place.output. Fills in
// report.output_bytes. `config`: that was written, null where there is none. `hashes` may know files in the folder. May
// be called again for a folder that it was interrupted in.
void assemble_package(const PackagePlace& place, const OpenModel& source, const Json& config,
                      const std::vector<HashedFile>& source_files, const FileHashes& hashes, Report& report);

}  // namespace quern
