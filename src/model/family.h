// What every family does alike: recognising itself by its configuration, and the metadata of a GGUF file.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "model/model_spec.h"

namespace quern {

// A class of transformers: config.json names it by "architectures" or, without that, by "model_type".
struct TransformersClass {
  std::string_view architecture, model_type;
};

// Index of the class that config.json names; -1 when it names none of these.
int find_class(const Checkpoint& checkpoint, std::span<const TransformersClass> classes);

// Whether general.architecture of a GGUF file is `name`.
bool is_gguf_of(const Checkpoint& checkpoint, std::string_view name);

// Whether the checkpoint has a tensor whose name ends in each of these.
bool has_suffixes(const Checkpoint& checkpoint, std::initializer_list<std::string_view> suffixes);

// general.architecture; the other general keys are the package's (package/general_keys.h).
Metadata general_metadata(std::string_view architecture);

// Of a source that already is a GGUF file: its general.* and tokenizer.* and the keys behind `prefix`, but for what the
// layout of the one file is: its alignment and number formats.
Metadata copied_metadata(const Metadata& source, std::string_view prefix);

// The weights under their GGUF names, as they are.
std::vector<ExportedWeight> exported_weights(const ModelSpec& spec);

// Error(kInfeasible) when the model has a weight of one of these roles, for which the family's GGUF files have no
// place.
void refuse_roles(const ModelSpec& spec, std::initializer_list<std::string_view> roles);

std::uint32_t to_u32(std::uint64_t value);

}  // namespace quern
