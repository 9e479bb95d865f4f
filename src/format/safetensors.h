// The safetensors row of the table of formats: single files and Hugging Face folders.
#pragma once

#include "checkpoint/checkpoint.h"
#include "format/written_file.h"

namespace quern {

extern const Format kSafetensors;
// The same container for weights of bitsandbytes, which cannot be mixed with those of compressed-tensors. For writing.
extern const Format kBitsandbytes;
// The same container for weights of the vptq package. For writing.
extern const Format kVptqFolder;

// Creates the files of a safetensors checkpoint in an existing folder (Format::create).
std::unique_ptr<CheckpointWriter> create_safetensors(const std::filesystem::path& folder, const CheckpointHead& head);
// Size of the files that create_safetensors would make (Format::file_bytes).
std::uint64_t safetensors_file_bytes(const CheckpointHead& head);
// What create_safetensors makes before any tensor is written.
std::vector<WrittenFile> safetensors_outline(const CheckpointHead& head);

// The three for codecs of vectors in the layout of the vptq package, in place of Quern's planes.
std::unique_ptr<CheckpointWriter> create_vptq_folder(const std::filesystem::path& folder, const CheckpointHead& head);
std::uint64_t vptq_folder_bytes(const CheckpointHead& head);
std::vector<WrittenFile> vptq_folder_outline(const CheckpointHead& head);

}  // namespace quern
