// quern::compress: what was measured becomes plain data.
#include "api/observed_call.h"
#include "api/option_checks.h"
#include "compress/compress.h"
#include "package/one_file.h"
#include "package/package.h"
#include "quern/compress.h"
#include "report/headline.h"

namespace quern {
namespace {

std::vector<CompressedTensor> tensors_of(const Report& report) {
  std::vector<CompressedTensor> tensors;
  for (const auto& [step, error, facts] : report.tensors)
    tensors.push_back({.name = step.tensor,
                       .codec = step.codec,
                       .optimizer = step.optimizer,
                       .role = facts.role,
                       .layer = facts.layer,
                       .bytes = step.bytes,
                       .relative_error = error.relative_plain(),
                       .kld_alone = facts.kld,
                       .measured_codec = facts.measured_codec});
  return tensors;
}

CompressResult result_of(const Report& report, const CompressOptions& options) {
  return {.accepted = report.accepted,
          .folder = report.accepted ? options.output : rejected_path(options.output),
          .evidence = report.accepted ? evidence_path(options.output) : rejected_path(options.output),
          .architecture = report.architecture,
          .parameters = report.parameters,
          .source_bytes = report.source_bytes,
          .output_bytes = report.output_bytes,
          .ratio = static_cast<double>(report.source_bytes) / static_cast<double>(report.output_bytes),
          .bits_per_weight = report.bits_per_weight(report.output_bytes),
          .quality = report.quality,
          .gate = report.ladder.back().gate,
          .trials = report.ladder.size(),
          .tensors = tensors_of(report),
          .notes = report.notes,
          .seconds = report.seconds,
          .summary = summary(report),
          .json = dump_json(to_json(report), 1) + "\n"};
}

}  // namespace

CompressResult compress(const CompressOptions& options, Observer* observer) {
  return ObservedCall(observer).run([&](Observer& told) {
    check_compress(options);
    check_given(options.output, "`output`", "the folder to write");
    return result_of(compress(options, told), options);
  });
}

}  // namespace quern
