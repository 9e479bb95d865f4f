// The safetensors row of the table of formats: single files and Hugging Face folders.
#pragma once

#include "quern/checkpoint.h"

namespace quern {

extern const Format kSafetensors;

// Creates the files of a safetensors checkpoint in an existing folder (Format::create).
std::unique_ptr<CheckpointWriter> create_safetensors(const std::filesystem::path& folder, const CheckpointHead& head);

}  // namespace quern
