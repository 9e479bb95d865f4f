// The table of container formats, and opening a file or folder by whichever knows it.
#pragma once

#include "checkpoint/checkpoint.h"

namespace quern {

std::span<const Format* const> formats();
// Error(kUsage) with the nearest names when there is none of that name.
const Format& find_format(std::string_view name);
// Error(kUsage) that names those that are written when this one is not.
void check_is_written(const Format& format);
// What importance matrices are exchanged in.
const Format& importance_format();

// Opens a folder or file of any known format. Error(kInput) when none recognises it, or one that is only written, or
// where it is an adapter alone.
Checkpoint open_checkpoint(const std::filesystem::path& path);
// As above, also of an adapter.
Checkpoint open_adapter_tensors(const std::filesystem::path& path);
// As above, of the formats in `known`.
Checkpoint open_checkpoint(const std::filesystem::path& path, std::span<const Format* const> known);

}  // namespace quern
