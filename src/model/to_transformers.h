// A model of a GGUF file as transformers names, orders and configures it: the family's own tables, read the other way.
#pragma once

#include <span>
#include <vector>

#include "model/family.h"
#include "model/hyper_table.h"
#include "model/spec_builder.h"

namespace quern {

// The weights under transformers' names and in its shapes, by the rows that they were read by. Row orders and values
// are the family's to change.
std::vector<ExportedWeight> transformers_weights(const ModelSpec& spec, const std::vector<TensorRow>& rows,
                                                 const Roots& roots);

// config.json: the class, the values of the tables and the options of the rows ("attention_bias",
// "tie_word_embeddings"). Error(kInfeasible) when the model has some of the tensors of an option and lacks others: the
// class has all or none.
Json transformers_config(const TransformersClass& of, const ModelSpec& spec, std::span<const HyperRow> values,
                         const Numbers& numbers, const std::vector<TensorRow>& rows);

}  // namespace quern
