// quern::chain: a chain of stages becomes plain data.
#include "api/observed_call.h"
#include "api/option_checks.h"
#include "chain/chain.h"
#include "quern/chain.h"

namespace quern {
namespace {

CompressOptions compress_options(const ChainOptions& options) {
  CompressOptions compress;
  compress.input = options.input;
  compress.output = options.output;
  compress.name = options.name;
  compress.report_text = options.report_text;
  compress.calibration_text = options.calibration_text;
  compress.gate_text = options.gate_text;
  compress.calibration_windows = options.calibration_windows;
  compress.gate_windows = options.gate_windows;
  compress.report_windows = options.report_windows;
  compress.machine = options.machine;
  compress.existing = options.existing;
  compress.start = options.start;
  compress.requantize = options.requantize;
  compress.command = options.command;
  return compress;
}

ChainedFiles files_of(const MeasuredFiles& files) { return {files.bytes, files.quality}; }

std::optional<ChainedFiles> files_of(const std::optional<MeasuredFiles>& files) {
  return files ? std::optional(files_of(*files)) : std::nullopt;
}

ChainedStage stage_of(const ChainRow& row) {
  return {.name = row.stage.name,
          .method = row.stage.method,
          .scheme = row.stage.scheme,
          .claimed = row.stage.claimed,
          .literal = files_of(row.literal),
          .residual = files_of(row.residual),
          .once_literal = files_of(row.once_literal),
          .once_residual = files_of(row.once_residual)};
}

ChainResult result_of(const ChainReport& report, const ChainOptions& options) {
  ChainResult result{.folder = options.output,
                     .parameters = report.parameters,
                     .source_bytes = report.source_bytes,
                     .stages = {},
                     .conclusion = conclusion(report),
                     .notes = report.notes,
                     .seconds = report.seconds,
                     .json = dump_json(to_json(report), 1) + "\n"};
  for (const ChainRow& row : report.rows) result.stages.push_back(stage_of(row));
  return result;
}

}  // namespace

ChainResult chain(const ChainOptions& options, Observer* observer) {
  return ObservedCall(observer).run([&](Observer& told) {
    const CompressOptions compress = compress_options(options);
    check_compress(compress);
    check_given(options.output, "`output`", "the folder to write");
    return result_of(run_chain(compress, stages_named(options.stages), told), options);
  });
}

}  // namespace quern
