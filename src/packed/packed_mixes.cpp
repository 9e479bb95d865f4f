// As transformers 5.23 loads with compressed-tensors 0.20. One type: all is decoded while loading ("dequantize" in the
// configuration), where experts are all packed as well. Several types: modules are laid out for what their
// group says before they are loaded, which works for symmetric types alone, not for experts, and not for weights that
// the model's own initialiser touches first.
#include "packed/packed_mixes.h"

#include <algorithm>
#include <vector>

#include "packed/quantized_modules.h"
#include "packed/quantized_types.h"

namespace quern {
namespace {

// A matrix of one expert, which the program stacks with those of the others.
bool is_of_expert(std::string_view tensor) {
  return tensor.find(".experts.") != std::string_view::npos && tensor.ends_with(kWeightSuffix);
}

// Its module must have a plain weight when the model is made: embeddings, the last projection of a state-space mixer.
bool is_initialised(std::string_view tensor) {
  if (!tensor.ends_with(kWeightSuffix)) return false;
  const std::string module = module_of(std::string(tensor));
  return is_embedding_module(module) || module.ends_with("mixer.out_proj");
}

PackedMix nothing_packed() {
  return {{}, [](const StoredTensor& tensor) { return !find_packed_encoding(tensor.encoding); }};
}

PackedMix one_type(const PackedEncoding& type) {
  return {{type.name}, [&type](const StoredTensor& tensor) {
            const bool is_packed = find_packed_encoding(tensor.encoding);
            return is_packed ? tensor.encoding == type.name : !is_of_expert(tensor.name);
          }};
}

PackedMix symmetric_types() {
  PackedMix mix;
  for (const PackedEncoding& type : packed_encodings())
    if (type.zeros == PackedEncoding::Zeros::kNone) mix.encodings.push_back(type.name);
  mix.admits = [](const StoredTensor& tensor) {
    const PackedEncoding* type = find_packed_encoding(tensor.encoding);
    if (is_of_expert(tensor.name)) return false;
    return !type || (type->zeros == PackedEncoding::Zeros::kNone && !is_initialised(tensor.name));
  };
  return mix;
}

std::vector<PackedMix> all_mixes() {
  std::vector<PackedMix> mixes = {nothing_packed()};
  for (const PackedEncoding& type : packed_encodings()) mixes.push_back(one_type(type));
  mixes.push_back(symmetric_types());
  return mixes;
}

}  // namespace

std::span<const PackedMix> packed_mixes() {
  static const std::vector<PackedMix> mixes = all_mixes();
  return mixes;
}

}  // namespace quern
