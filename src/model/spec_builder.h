// Lays down the blocks of a model while it checks every tensor that they use.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/hyper_parameters.h"
#include "model/tensor_table.h"

namespace quern {

// Prefixes of the tensors' names in a family's checkpoints, the usual one first.
struct Roots {
  std::vector<std::string> roots;  // "model.", "" ...
  const char* layers;              // behind the root: "layers.", "h."
  const char* probe;               // a tensor behind the root that every checkpoint has
};

Naming find_naming(const Checkpoint& checkpoint, const Roots& roots);

// What the configuration says about tensors that a model may lack. nullopt: whatever the tensors say.
struct TensorOption {
  const char* name;  // as in TensorRow::option, and in the configuration
  std::optional<bool> given;
  std::string_view by_class = {};  // of transformers, which says it without a key; empty: the configuration says it
};

class SpecBuilder {
 public:
  // Checks that every tensor the model needs is there and nothing else, but for what cannot be part of it; fills in the
  // extents that the configuration left open. Error(kInput) otherwise, showing both sides. `is_derived`: tensors that
  // carry no weights of their own.
  SpecBuilder(const char* architecture, HyperParameters& parameters, Naming naming, std::vector<TensorRow> rows,
              std::vector<TensorOption> options, std::function<bool(std::string_view)> is_derived);

  const Naming& naming() const noexcept { return naming_; }
  bool has(const char* key) const;  // at the current layer

  void begin_block(std::string name, std::int32_t layer);
  // Adds the weight to the spec, its shape checked. Error(kInput) with both sides when it is another.
  std::size_t weight(const char* key);
  void add(decltype(Op::kind) kind, std::initializer_list<std::string> inputs, std::string output,
           std::vector<std::size_t> weights = {});
  // A product with its bias, where the model has one.
  void linear(const char* matrix, const char* bias, std::string input, std::string output);
  // Embedding, layers, final norm (by `norm`), head. `layer` lays down the ops of one layer.
  ModelSpec build(const std::function<void()>& embed, const std::function<void()>& layer,
                  const std::function<void()>& norm);

 private:
  // Of the model's rows beside those of the checkpoint.
  struct Names {
    std::size_t expected = 0;
    std::vector<std::string> missing, unmatched;  // by place in the model; sorted
    std::vector<std::string> idle;                // left out because they change nothing
  };

  const TensorRow& row(const char* key) const;
  bool wanted(const TensorRow& row, std::int32_t layer) const;
  const TensorOption& option(const char* name) const;
  std::vector<std::string> names_of(const TensorRow& row, std::int32_t layer) const;
  // Of every row: once, or with each layer.
  void for_each_place(const std::function<void(const TensorRow&, std::int32_t layer)>& visit) const;
  Names compare_names() const;
  void check_denied(const TensorRow& row, std::int32_t layer) const;
  void check_names() const;
  void check_shape(const TensorRow& row, const std::string& tensor) const;

  HyperParameters& parameters_;
  const Checkpoint& checkpoint_;
  Naming naming_;
  std::vector<TensorRow> rows_;
  std::vector<TensorOption> options_;
  std::function<bool(std::string_view)> is_derived_;
  ModelSpec spec_;
  std::int32_t layer_ = -1;
  const Names names_;
};

// Name of the row of the head, which a tied model lacks.
inline constexpr const char* kHeadKey = "output";
inline constexpr const char* kEmbedKey = "token_embd";
inline constexpr const char* kHeadOption = "tie_word_embeddings false";

}  // namespace quern
