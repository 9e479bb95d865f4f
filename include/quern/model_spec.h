// An architecture described once: blocks of operations over named values, weights with roles, named axes and input
// groups.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "quern/checkpoint.h"
#include "quern/json.h"
#include "quern/tensor.h"

namespace quern {

// One axis of a weight: a product of named extents ("heads*head_dim"), so that a cut along a name finds every tensor it
// touches.
struct Axis {
  std::string name;
  std::uint64_t extent = 0;
};

struct Weight {
  std::string role;        // "embed", "attn.q", "attn.k", "attn.v", "attn.o", "mlp.gate", "mlp.up", "mlp.down", "norm",
                           // "head", "attn.q.bias" ...
  std::string tensor;      // name in the checkpoint
  std::vector<Axis> axes;  // as the tensor's shape, outermost first
  std::string group;  // weights that multiply the same input carry the same group ("layers.3.attn.in"); empty: not a
                      // matrix product
  std::int32_t layer = -1;  // 0-based decoder layer; -1 outside the layers
};

// NOTE: a closed set; adding a kind means one file in src/kernel and one row in src/runtime.
struct EmbedOp {};  // ids -> rows of weights[0]
struct RmsNormOp {
  double epsilon = 1e-5;
};  // x * rsqrt(mean(x^2) + epsilon) * weights[0]
struct LinearOp {};  // x weights[0]^T (+ weights[1] where there is a bias)
struct RopeOp {
  enum class Pairing {
    kHalves,
    kNeighbours
  };  // (i, i + head_dim/2) as in transformers; (2i, 2i + 1) as in GGUF's "llama"
  std::uint32_t head_dim = 0;
  Pairing pairing = Pairing::kHalves;
  std::vector<double> inverse_frequencies;  // [head_dim / 2] radians per position, all scaling applied
};
struct AttentionOp {  // causal softmax(q k^T * scale) v; inputs q, k, v
  std::uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  double scale = 0;
  std::uint32_t window = 0;  // a position sees at most this many, itself included; 0: all before it
};
struct SiluMulOp {};  // silu(inputs[0]) * inputs[1]
struct AddOp {};      // inputs[0] + inputs[1]

struct Op {
  std::variant<EmbedOp, RmsNormOp, LinearOp, RopeOp, AttentionOp, SiluMulOp, AddOp> kind;
  std::vector<std::string> inputs;  // names of values; "ids" are the token ids
  std::string output;
  std::vector<std::size_t> weights;  // indices into ModelSpec::weights
};

// Between blocks only the value "hidden" lives, [tokens, hidden].
struct Block {
  std::string name;  // "embed", "layers.0", ..., "head"
  std::vector<Op> ops;
};

// Blocks: the first one turns ids into "hidden"; the last one ends with the LinearOp that produces the logits.
struct ModelSpec {
  std::string architecture;  // row of the table of architectures
  std::map<std::string, std::uint64_t>
      extents;  // "hidden", "layers", "heads", "kv_heads", "head_dim", "inner", "vocab", "context"
  std::vector<Weight> weights;
  std::vector<Block> blocks;
  bool tied_head = false;  // the head multiplies by the embedding

  std::uint64_t extent(std::string_view name) const;  // Error(kInternal) when there is none
  // Distinct tensors that the blocks use, by weight index, in block order.
  std::vector<std::size_t> weights_of(const Block& block) const;
};

// A constant tensor that a container wants beside the weights (scaling of rotary frequencies).
struct ExtraTensor {
  std::string name;
  std::vector<float> values;
};

// How another runtime's container names and orders the weights.
struct ExportedWeight {
  std::size_t weight = 0;  // index into ModelSpec::weights
  std::string name;
  std::vector<std::uint32_t> row_order;  // row i of the output is row row_order[i] of the source; empty: as they are
};
struct ExportMap {
  Metadata metadata;                    // hyper-parameters only; vocabulary and file type are added by the caller
  std::vector<ExportedWeight> weights;  // in file order
  std::vector<ExtraTensor> extras;
  std::vector<std::string> notes;  // what the container cannot express, for people
};

// An architecture family. Rows of the table in src/model/architectures.cpp.
struct Architecture {
  const char* name;
  const char* summary;
  bool (*recognises)(const Checkpoint&);
  // Error(kInput) when the configuration contradicts the tensors (both sides are shown) or a tensor is missing.
  ModelSpec (*describe)(const Checkpoint&);
  // Names, order and metadata for a GGUF file of this model.
  ExportMap (*to_gguf)(const ModelSpec&, const Checkpoint&);
};

std::span<const Architecture* const> architectures();
const Architecture& find_architecture(std::string_view name);

// Recognises and describes. Error(kInput) that names what was found (architectures and model_type of the
// configuration, or general.architecture) and the known families when none does.
ModelSpec describe_model(const Checkpoint& checkpoint);
ExportMap map_to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint);

// For people and for reports.
Json to_json(const ModelSpec& spec);

}  // namespace quern
