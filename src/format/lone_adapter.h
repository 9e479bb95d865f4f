// An adapter where a model is asked for: it looks like one and is only what is added to one.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/checkpoint.h"

namespace quern {

// Of a folder with an adapter of PEFT and no model: what it is and what to do, as a sentence; empty of any other path.
std::string lone_adapter(const std::filesystem::path& path);
// Of tensors that are the low-rank matrices of an adapter (PEFT, MLX, llama.cpp) without those that they change.
std::string lone_adapter(const Checkpoint& checkpoint);

}  // namespace quern
