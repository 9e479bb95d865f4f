// Layouts that are known by the names of their tensors, and not read: trained codebooks, lattices and trellises, and
// orders that belong to a kernel. Taken for floats or for another layout they would be another model.
#include <algorithm>
#include <array>

#include "base/fail.h"
#include "packed/packed_layouts.h"
#include "packed/quantized_modules.h"

namespace quern {
namespace {

// A module has tensors of both names.
struct UnreadLayout {
  std::string_view name, first, second;
};
constexpr UnreadLayout kUnread[] = {
    {"EXL2", ".q_weight", ".q_scale"},
    {"EXL3", ".trellis", ".svh"},
    {"EXL3", ".trellis", ".sv"},
    {"QTIP", ".trellis", ".SV"},
    {"AQLM", ".codes", ".codebooks"},
    {"QuIP#", ".Qidxs", ".SV"},
    {"QuIP#", ".Qidxs_0", ".SV"},
    {"SpQR", ".dense_weights", ".row_offsets"},
    {"EETQ", ".weight", ".weight_scales"},
    {"EETQ", ".qweight", ".weight_scales"},
    {"HIGGS", ".tables", ".tables2"},
    {"SqueezeLLM", ".qweight", ".lookup_table"},
    {"BitBLAS", ".qweight", ".zeros"},
    {"FP-Quant", ".qweight", ".forward_hadamard_matrix"},
    {"SINQ", ".W_q", ".meta"},
    {"AWQ of ModelOpt", ".weight", ".pre_quant_scale"},
    {"torchao", "._weight_qdata", "._weight_scale"},
};

}  // namespace

void refuse_unread_layouts(const LayoutTable& table) {
  for (const UnreadLayout& layout : kUnread)
    for (const TensorEntry* second : table.ending_with(layout.second)) {
      const std::string module = module_of(second->name, layout.second);
      const TensorEntry* first = table.find(module + std::string(layout.first));
      if (!first) continue;
      fail(ErrorCode::kInput,
           "{} {} and {} {} are a matrix in the layout of {}, which is not read: have the program that made it "
           "dequantize the model and save floats, or use the original model",
           first->name, to_string(first->shape), second->name, to_string(second->shape), layout.name);
    }
}

}  // namespace quern
