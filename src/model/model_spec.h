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

#include "checkpoint/checkpoint.h"
#include "tensor/tensor.h"

namespace quern {

// One axis of a weight: a product of named extents ("heads*head_dim"), so that a cut along a name finds every tensor it
// touches.
struct Axis {
  std::string name;
  std::uint64_t extent = 0;
};

// A run of rows of a tensor of the checkpoint, seen as rows of its last axis.
struct WeightPart {
  std::string tensor;
  std::uint64_t first = 0, rows = 0;
};

struct Weight {
  std::string role;        // "embed", "attn.q", "attn.qkv", "mlp.down", "moe.router", "moe.gate", "ssm.in", "norm",
                           // "head", "attn.q.bias" ...
  std::string tensor;      // name in the checkpoint; of a weight made of several tensors their common name with a "*"
  std::vector<Axis> axes;  // outputs first, inputs last, whatever way the tensor is stored
  std::string group;  // weights that multiply the same input carry the same group ("layers.3.attn.in"); empty: not a
                      // matrix product
  std::int32_t layer = -1;  // 0-based decoder layer; -1 outside the layers
  std::string gguf;         // its name in a GGUF file
  enum class Storage { kPlain, kTransposed };
  Storage storage = Storage::kPlain;         // kTransposed: the tensor is [inputs, outputs]
  Storage module_storage = Storage::kPlain;  // as the model's own module has it, which a package's packed one need not
  std::vector<WeightPart> parts;  // the weight is the rows of these, one after another; empty: `tensor` as it is

  // Rows and columns of the logical matrix: a vector is one row.
  RowLayout layout() const;
  std::uint64_t elements() const;
  // Matrices of which each row of the first axis sees inputs of its own (experts); 1 for all other weights.
  std::uint64_t experts() const;
};

// NOTE: a closed set. A new kind has one row in src/model/op_traits.cpp and one executor in src/runtime/prepare_op.cpp;
// without either the program does not compile. Nobody else asks for kinds (tools/check_names.py).
struct EmbedOp {};      // ids -> rows of weights[0]
struct PositionsOp {};  // inputs[0] + row t of weights[0] at position t
struct RmsNormOp {
  double epsilon = 1e-5;
  std::uint32_t width = 0;  // each run of this many columns is normalised on its own (heads); 0: the whole row
};  // x * rsqrt(mean(x^2) + epsilon) * weights[0]
struct LayerNormOp {
  double epsilon = 1e-5;
};  // (x - mean) * rsqrt(variance + epsilon) * weights[0] + weights[1]
struct LinearOp {};  // x weights[0]^T (+ weights[1] where there is a bias)
struct SliceOp {
  std::uint32_t first = 0, width = 0;
};  // columns of inputs[0]
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
struct CausalConvOp {
  std::uint32_t kernel = 0;
};  // each column convolved with its row of weights[0] over this and the kernel - 1 positions before (+ weights[1])
struct SelectiveScanOp {  // Mamba-1; inputs x [inner], dt [inner] before softplus, B [state], C [state]; weights A, D
  enum class Decay { kLog, kNegated };  // weights[0] is log(-A) as in transformers, or A as in GGUF
  std::uint32_t state = 0;
  Decay decay = Decay::kLog;
};
struct SharedStepScanOp {  // h_t = exp(step_t A) h_{t-1} + step_t u_t with A = -exp(weights[0]) [state] and step_t the
                           // mean over the columns of softplus(dt_t); inputs u [state], dt before softplus. Output h
  std::uint32_t state = 0;
};
struct ExpertsOp {  // MLPs, of which each token passes the `used` with the largest router logits, weighted by their
                    // softmax. inputs x, router logits
  // kGated: silu(gate) * up; weights gate, up, down, or gate and up in one (first the rows of gate, then of up, for
  // each expert) and down. kGelu: the exact GELU of up; weights up, down
  enum class Inner { kGated, kGelu };
  std::uint32_t experts = 0, used = 0;
  Inner inner = Inner::kGated;
};
struct SiluOp {};  // x * sigmoid(x)
struct GeluOp {    // x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), or exactly: x/2 * (1 + erf(x / sqrt(2)))
  enum class Form { kTanh, kExact };
  Form form = Form::kTanh;
};
struct SiluMulOp {};         // silu(inputs[0]) * inputs[1]
struct SquaredReluMulOp {};  // max(inputs[0], 0)^2 * inputs[1]
struct AddOp {};             // inputs[0] + inputs[1]
struct ScaledAddOp {};       // inputs[0] + weights[0] * inputs[1], a scale for each column

struct Op {
  std::variant<EmbedOp, PositionsOp, RmsNormOp, LayerNormOp, LinearOp, SliceOp, RopeOp, AttentionOp, CausalConvOp,
               SelectiveScanOp, SharedStepScanOp, ExpertsOp, SiluOp, GeluOp, SiluMulOp, SquaredReluMulOp, AddOp,
               ScaledAddOp>
      kind;
  std::vector<std::string> inputs;  // names of values; "ids" are the token ids
  std::string output;
  std::vector<std::size_t> weights;  // indices into ModelSpec::weights
};

// Between blocks only the value "hidden" lives, [tokens, hidden].
struct Block {
  std::string name;  // "embed", "layers.0", ..., "head"
  std::vector<Op> ops;
};

// Where a property of the model was read.
struct Evidence {
  // Said by a configuration; shown by names and shapes of tensors; or neither, and then what most models use.
  enum class Kind { kStated, kInferred, kAssumed };

  std::string property, value, source;
  Kind kind = Kind::kStated;
};

// Blocks: none in a model that no architecture recognises. The first one turns ids into "hidden"; the last one ends
// with the LinearOp that produces the logits.
struct ModelSpec {
  std::string architecture;  // row of the table of architectures
  std::map<std::string, std::uint64_t>
      extents;  // "hidden", "layers", "heads", "kv_heads", "head_dim", "inner", "vocab", "context"
  std::vector<Weight> weights;
  std::vector<Block> blocks;
  bool tied_head = false;  // the head multiplies by the embedding
  std::string tied_copy;   // the copy of the embedding that a tied model's checkpoint may hold; empty: none
  std::vector<Evidence> evidence;
  std::vector<std::string> notes;  // what a person should know, such as what was left out; a sentence each

  std::uint64_t extent(std::string_view name) const;  // Error(kInternal) when there is none
  // The first op, which turns ids into values, and the last, which makes the logits; the weights of each. What they are
  // was checked when the model was described. REQUIRES: blocks.
  const Op& embedding_op() const;
  const Op& head_op() const;
  const Weight& embedding() const { return weights[embedding_op().weights.at(0)]; }
  const Weight& head() const { return weights[head_op().weights.at(0)]; }
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
  enum class Transform { kNone, kNegatedExp, kLogOfNegated };  // -exp(value); log(-value)
  std::size_t weight = 0;                                      // index into ModelSpec::weights
  std::string name;
  std::vector<std::uint32_t> row_order = {};  // row i of the output is row row_order[i] of the weight; empty: see below
  Shape shape = {};                           // of the output; empty: the extents of the weight's axes
  std::uint64_t first_row = 0;                // without a row_order: as many rows from here as the shape has
  Transform transform = Transform::kNone;
  std::string source = {};  // the one tensor of the checkpoint that it shows; empty: the weight's own name
  // Those of the logical matrix; of the weight's one tensor, as it is stored; the columns of the logical matrix.
  enum class Rows { kOfWeight, kOfTensor, kColumns };
  Rows rows = Rows::kOfWeight;

  // Whether a row holds one input of the product, not one output.
  bool is_transposed(const Weight& of) const {
    return rows == Rows::kColumns || (rows == Rows::kOfTensor && of.storage == Weight::Storage::kTransposed);
  }
  const std::string& source_name(const Weight& of) const { return source.empty() ? of.tensor : source; }
  Shape output_shape(const Weight& of) const;
};
struct ExportMap {
  Metadata metadata;                    // hyper-parameters only; vocabulary and file type are added by the caller
  Json config;                          // config.json without special tokens; null: that of the source, if it has one
  std::vector<ExportedWeight> weights;  // in file order
  std::vector<ExtraTensor> extras;
  std::vector<std::string> notes;   // what the container cannot express, for people
  std::vector<std::string> copied;  // tensors of the checkpoint that go along byte for byte, behind all others
};

// Whether extents and options come from the configuration, or from the tensors' names and shapes and the family's usual
// values. kClaims: what the configuration says, held against nothing; a spec with extents and evidence, but without
// weights and blocks.
enum class ConfigUse { kTrust, kIgnore, kClaims };

// An architecture family. Rows of the table in src/model/architectures.cpp.
struct Architecture {
  const char* name;
  const char* summary;  // one line in plain words
  const char* models;   // published models that it describes, for people who look for theirs
  bool (*recognises)(const Checkpoint&);
  // Whether the tensors' names are this family's, whatever the configuration says.
  bool (*has_tensors)(const Checkpoint&);
  // Whether a checkpoint of the family may hold a tensor of this name, in any layer and for any expert.
  bool (*has_name)(std::string_view tensor);
  // Error(kInput) when the configuration contradicts the tensors (both sides are shown) or a tensor is missing.
  ModelSpec (*describe)(const Checkpoint&, ConfigUse);
  // Names, order and metadata for a GGUF file of this model.
  ExportMap (*to_gguf)(const ModelSpec&, const Checkpoint&);
  // Names, shapes, order and config.json for a folder of transformers, from a GGUF file of this model.
  // Error(kInfeasible) for a model that transformers' class cannot describe. Null: no class does.
  ExportMap (*to_transformers)(const ModelSpec&, const Checkpoint&) = nullptr;
};

std::span<const Architecture* const> architectures();
const Architecture& find_architecture(std::string_view name);

// Recognises and describes. Error(kInput) that names what was found (architectures and model_type of the
// configuration, or general.architecture) and the known families when none does.
ModelSpec describe_model(const Checkpoint& checkpoint);
// As describe_model, but from names and shapes of the tensors alone.
ModelSpec infer_model(const Checkpoint& checkpoint);
// What the configuration says about the extents, right or wrong (ConfigUse::kClaims).
ModelSpec claimed_model(const Checkpoint& checkpoint);

// The family that the configuration names, or, where it names none, the one whose tensors these are; null: none.
const Architecture* recognise(const Checkpoint& checkpoint);
// As describe_model; where nothing recognises the checkpoint, its tensors under the roles of
// src/model/unknown_model.cpp and no blocks.
ModelSpec describe_or_list(const Checkpoint& checkpoint);
inline constexpr const char* kUnknownArchitecture = "unknown";

// Names of tensors that the family has no place for; without one, those that no family has.
std::vector<std::string> unmatched_tensors(const Checkpoint& checkpoint);

ExportMap map_to_gguf(const ModelSpec& spec, const Checkpoint& checkpoint);
// REQUIRES: a GGUF file. Error(kInfeasible) as of Architecture::to_transformers.
ExportMap map_to_transformers(const ModelSpec& spec, const Checkpoint& checkpoint);

// A line for each value that neither the configuration nor a tensor gives, for a person who decides whether it is
// right: "norm epsilon 1e-06 is assumed: the family's usual value".
std::vector<std::string> assumed_values(const ModelSpec& spec);
// These, and the description's own notes before them.
std::vector<std::string> description_notes(const ModelSpec& spec);

}  // namespace quern
