// The output is taken before time goes into reading texts and hashing the model.
#include "pipeline/compression.h"

#include "pipeline/run_identity.h"

namespace quern {
namespace {

using Unfinished = OutputFolder::Unfinished;

Unfinished unfinished_of(const CompressOptions& options) {
  return options.start == CompressOptions::Start::kResume ? Unfinished::kKeep : Unfinished::kRemove;
}

Json identity_of_inputs(Preparation& p) {
  p.read_texts();
  return to_json(RunIdentity{p.options, p.source, p.hash_source(), p.texts, p.scheme, p.format, p.setup.precision});
}

}  // namespace

Compression::Compression(Preparation& preparation)
    : prep(preparation),
      options(prep.options),
      observer(prep.observer),
      out(options.output, options.existing, unfinished_of(options)),
      journal(out.path(), identity_of_inputs(prep)),
      facts(tensor_facts(prep.source.spec, prep.names)) {}

}  // namespace quern
