// Another source's weights with a LoRA adapter merged into them: an overlay.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/adapter.h"
#include "model/checkpoint_weights.h"
#include "model/weights.h"

namespace quern {

// What PEFT's merge_and_unload makes, computed row by row: of an adapter only the two matrices of one module are in
// memory. Sums are in double and rounded once; a base of 16-bit floats gives numbers of 16 bits, as a merge does.
class AdaptedWeights : public WeightsOverlay {
 public:
  // REQUIRES: `base` has the weights of `spec`, which `files` holds. Error(kInput) where the adapter cannot be read, or
  // was made for another model: what it has and what the model has are both shown.
  AdaptedWeights(std::unique_ptr<const Weights> base, const ModelSpec& spec, const Checkpoint& files,
                 const std::filesystem::path& adapter);

  std::string name() const override { return base().name() + " with the adapter " + adapter_.folder.string(); }
  // That the adapter's configuration names; empty: it names none.
  const std::string& base_model() const noexcept { return adapter_.base; }
  std::string identity() const override;
  // What a person should know of the adapter: adapter_gaps.
  const std::vector<std::string>& notes() const { return notes_; }
  void read_rows(const Weight& weight, std::size_t first, MutableMatrixView out) const override;
  StoredForm stored(const Weight& weight) const override;

 protected:
  bool changes(const Weight& weight) const override { return changes_of(weight) != nullptr; }

 private:
  // A run of rows of a logical matrix that the adapter changes.
  struct Change {
    std::uint64_t first = 0, rows = 0;
    const LowRankUpdate* update = nullptr;  // one of the two is set
    const ReplacedTensor* replaced = nullptr;
  };

  void add_update(const LowRankUpdate& update, const ModelSpec& spec);
  void add_replaced(const ReplacedTensor& replaced, const ModelSpec& spec);
  // Error(kInput) that names the adapter's file where a tensor of it holds NaN or infinity.
  void check_finite(const std::string& tensor, MatrixView values) const;
  [[noreturn]] void refuse(const std::string& what, const std::string& has, const ModelSpec& spec) const;
  const std::vector<Change>* changes_of(const Weight& weight) const;
  void apply(const Change& change, const Weight& weight, std::size_t first, MutableMatrixView out) const;
  void update_rows(const LowRankUpdate& update, std::size_t first, MutableMatrixView out) const;
  void replace_rows(const ReplacedTensor& replaced, const Weight& weight, std::size_t first,
                    MutableMatrixView out) const;

  std::unique_ptr<const Weights> owned_;  // base()
  Adapter adapter_;
  std::vector<std::string> notes_;
  CheckpointWeights tensors_;                           // of the adapter
  std::map<std::string, std::vector<Change>> changes_;  // by Weight::tensor
};

}  // namespace quern
