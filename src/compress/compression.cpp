// The output is taken before time goes into reading texts and hashing the model.
#include "compress/compression.h"

#include "base/fail.h"
#include "compress/run_identity.h"

namespace quern {
namespace {

using Unfinished = OutputFolder::Unfinished;

Unfinished unfinished_of(const CompressOptions& options) {
  return options.start == CompressOptions::Start::kResume ? Unfinished::kKeep : Unfinished::kRemove;
}

Json identity_of_inputs(Preparation& p) {
  p.read_texts();
  return to_json(RunIdentity{p.options, p.source, p.texts, p.scheme, p.format, p.setup.precision});
}

}  // namespace

Compression::Compression(Preparation& preparation)
    : prep(preparation),
      options(prep.options),
      observer(prep.observer),
      out(options.output, options.existing, unfinished_of(options)),
      journal(out.path(), identity_of_inputs(prep)),
      facts(tensor_facts(prep.source.spec, prep.names)) {
  if (prep.hashes_first() || journal.knows_source()) {
    know_source();
  } else {
    prep.begin_hashing();
  }
}

void Compression::know_source() {
  const Json hashes = hashes_by_name(prep.hash_source());
  if (!journal.knows_source())
    if (const std::string file = changed_file(journal.stamps(), stamps_by_name(prep.source.checkpoint)); !file.empty())
      fail(ErrorCode::kInput,
           "the input has changed while it was compressed: {} is another file now; run the command again", file);
  journal.expect_source(hashes);
}

}  // namespace quern
