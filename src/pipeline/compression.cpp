// Opening in an order that refuses what cannot work before it takes time or touches the output.
#include "pipeline/compression.h"

#include "pipeline/compress_choice.h"
#include "pipeline/package.h"
#include "pipeline/run_identity.h"
#include "quern/error.h"

namespace quern {
namespace {

using Unfinished = OutputFolder::Unfinished;

Unfinished unfinished_of(const CompressOptions& options) {
  return options.start == CompressOptions::Start::kResume ? Unfinished::kKeep : Unfinished::kRemove;
}

}  // namespace

Compression::Compression(const CompressOptions& opt, Observer& obs)
    : options(opt),
      observer(obs),
      pool(opt.machine.threads),
      source(opt.input, Unrecognised::kList),
      choice(scheme_for(opt, source)),
      scheme(*choice.scheme),
      format(format_for(opt, scheme)),
      names(export_map(source, format)),
      setup(evaluation_setup(opt.machine, source.spec, pool.threads(), text_window(source.spec))),
      out(opt.output, opt.existing, unfinished_of(opt)),
      texts(load_compress_texts(opt, source.checkpoint, text_window(source.spec))),
      source_files(hash_files(source.checkpoint, pool)),
      journal(out.path(), to_json(RunIdentity{opt, source, source_files, texts, scheme, format, setup.precision})),
      facts(tensor_facts(source.spec, names)) {}

}  // namespace quern
