// What a pickle of PyTorch holds: the tensors of a model by their names, and in sentences what else.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "archive/torch_tensor.h"
#include "base/json.h"

namespace quern {

struct NamedTensor {
  std::string name;
  TorchTensor tensor;
};

struct StateDict {
  std::vector<NamedTensor> tensors;
  std::vector<std::string> notes;
  Json config;  // a dictionary of settings beside the model; null: none
};

// Looks under "state_dict", "model_state_dict" and "model", also one within the other; else everything is taken, but
// for an optimizer. Keys, attributes and places of lists are joined with dots. Error(kInput) that names the place when
// a tensor is damaged, or when it is nested too deep or takes more memory than 16 MB and 15 times the pickle's bytes,
// or than 900 MB.
StateDict find_state_dict(const Pickle& pickle);

// Leaves out what wrappers put before every name: "module." (DistributedDataParallel), "_orig_mod." (torch.compile).
// Returns it.
std::string strip_wrappers(std::span<std::string* const> names);

}  // namespace quern
