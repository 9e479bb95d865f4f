// For tests: the header of a plan's files, with their tensors.
#pragma once

#include "encode/encode.h"
#include "format/formats.h"
#include "package/package.h"

namespace quern {

inline CheckpointHead whole_head(const Plan& plan, const ExportMap& names, const OpenModel& model,
                                 const Scheme& scheme) {
  CheckpointHead head = package_head(names, find_format(plan.format), model, SourceTokenizer(model.checkpoint));
  set_mix_name(head, find_format(plan.format), model.name(), name_of_scheme(scheme));
  set_tensors(head, tensor_table(plan, names, model.spec, TensorFiles(model.checkpoint)), names);
  return head;
}

}  // namespace quern
