// Hashes, sizes, finite values, and errors measured once more.
#include "package/verify.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/file.h"
#include "base/interruption.h"
#include "base/sha256.h"
#include "encode/weight_rows.h"
#include "format/formats.h"
#include "kernel/elementwise.h"
#include "model/checkpoint_weights.h"
#include "package/package.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

void check_files(const fs::path& package, const Manifest& manifest, Observer& observer, VerifyResult& result) {
  observer.stage("hash files", manifest.output_files.size());
  for (const HashedFile& file : manifest.output_files) {
    const fs::path path = package / file.name;
    std::error_code ec;
    ++result.files;
    if (!fs::is_regular_file(path, ec)) {
      result.problems.push_back(fmt::format("{} is missing", file.name));
    } else if (const std::uint64_t bytes = size_of_file(path); bytes != file.bytes) {
      result.problems.push_back(fmt::format("{} has {} bytes, the manifest says {}", file.name, bytes, file.bytes));
    } else if (const std::string hash = sha256_of_file(path); hash != file.sha256) {
      result.problems.push_back(
          fmt::format("{} has changed: sha256 {}, the manifest says {}", file.name, hash, file.sha256));
    }
    observer.advance(file.name);
  }
}

void check_tensor(const Checkpoint& package, const PlanStep& step, ThreadPool& pool, VerifyResult& result) {
  const TensorEntry* entry = package.find(step.output);
  ++result.tensors;
  if (!entry) {
    result.problems.push_back(fmt::format("tensor {} is missing", step.output));
    return;
  }
  if (entry->encoding != step.codec || entry->bytes() != step.bytes) {
    result.problems.push_back(fmt::format("tensor {} is {} in {} bytes, the plan says {} in {}", step.output,
                                          entry->encoding, entry->bytes(), step.codec, step.bytes));
    return;
  }
  const RowLayout layout = row_layout(entry->shape);
  const CheckpointWeights weights(package);
  std::vector<std::uint8_t> bad(layout.rows / rows_per_task(layout.cols) + 1);
  parallel_for(pool, layout.rows, rows_per_task(layout.cols), [&](std::size_t begin, std::size_t end) {
    Matrix rows(end - begin, layout.cols);
    weights.read_rows(step.output, begin, rows.view());
    bad[begin / rows_per_task(layout.cols)] = !all_finite(rows.flat());
  });
  if (std::ranges::find(bad, 1) != bad.end())
    result.problems.push_back(fmt::format("tensor {} decodes to values that are not finite", step.output));
}

// Sum of squared differences between the original's rows, in the package's order, and the decoded ones.
double plain_error(const OpenModel& original, const CheckpointWeights& package, const std::string& output,
                   const ExportedWeight& exported, ThreadPool& pool) {
  const ExportedRows rows(original.weights, original.spec.weights[exported.weight], exported);
  const std::vector<RowTask> tasks = row_tasks(rows);
  std::vector<double> sums(tasks.size());
  pool.run(tasks.size(), [&](std::size_t t) {
    const Matrix wanted = rows.rows(tasks[t].first, tasks[t].count);
    Matrix found(tasks[t].count, rows.layout().cols);
    package.read_rows(output, tasks[t].first, found.view());
    for (std::size_t i = 0; i < wanted.flat().size(); ++i) {
      const double difference = static_cast<double>(wanted.flat()[i]) - found.flat()[i];
      sums[t] += difference * difference;
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

void compare_errors(const Manifest& manifest, const OpenModel& original, const Checkpoint& package, std::size_t stride,
                    ThreadPool& pool, VerifyResult& result) {
  const ExportMap names = export_map(original, find_format(manifest.plan.format));
  if (names.weights.size() != manifest.tensors.size()) {
    result.problems.push_back(
        fmt::format("the original has {} weights, the plan {}", names.weights.size(), manifest.tensors.size()));
    return;
  }
  for (std::size_t i = 0; i < manifest.tensors.size(); i += stride) {
    const auto& [step, error] = manifest.tensors[i];
    const auto exported = std::ranges::find(names.weights, step.output, &ExportedWeight::name);
    if (exported == names.weights.end() ||
        exported->source_name(original.spec.weights[exported->weight]) != step.tensor) {
      result.problems.push_back(fmt::format("tensor {} was made from {}, and the original has no such tensor for it",
                                            step.output, step.tensor));
      continue;
    }
    if (exported->output_shape(original.spec.weights[exported->weight]) != package.at(step.output).shape) {
      result.problems.push_back(
          fmt::format("tensor {} has another shape than the original's {}", step.output, step.tensor));
      continue;
    }
    const double measured = plain_error(original, CheckpointWeights(package), step.output, *exported, pool),
                 recorded = error.plain;
    ++result.compared;
    if (!(std::abs(measured - recorded) <= 1e-6 * std::max(measured, recorded)))
      result.problems.push_back(
          fmt::format("tensor {} differs from the original by {:.6e} (sum of squares), the manifest says {:.6e}",
                      step.output, measured, recorded));
  }
}

// Why the package was not made from the weights of `original`; empty: it was.
std::string why_other_source(const OpenModel& original, const Manifest& manifest, ThreadPool& pool) {
  const std::string path = original.checkpoint.path().string(), overlay = original.weights.identity();
  if (overlay.empty() && !manifest.overlay.empty())
    return fmt::format(
        "the weights of {} were changed before this package was made from them ({}), and are in no file;"
        " where that was an adapter, give its folder (`adapter`)",
        path, manifest.overlay);
  if (overlay != manifest.overlay)
    return fmt::format("this package was made with {}, and what was given is {}",
                       manifest.overlay.empty() ? "no adapter" : manifest.overlay, overlay);
  if (combined_hash(hash_files(original.checkpoint, pool)) == combined_hash(manifest.source_files)) return {};
  return fmt::format("{} is not the checkpoint that this package was made from (its files have other hashes)", path);
}

}  // namespace

VerifyResult verify_package(const VerifyOptions& options, Observer& observer) {
  if (options.stride == 0) fail(ErrorCode::kUsage, "every 0th tensor cannot be compared; 1 compares all");
  const Manifest manifest = read_manifest(options.package);
  ThreadPool pool(options.machine.threads);
  VerifyResult result;
  check_files(options.package, manifest, observer, result);
  if (!result.problems.empty()) return result;
  const Checkpoint checkpoint = open_checkpoint(options.package);
  observer.stage("decode tensors", manifest.plan.steps.size());
  for (const PlanStep& step : manifest.plan.steps) {
    check_interrupted(observer);
    check_tensor(checkpoint, step, pool, result);
    observer.advance(step.output);
  }
  const bool by_record = options.original.empty();
  // As seen from where the package lies, whatever links lead there.
  const fs::path recorded =
      manifest.source_path.empty() ? fs::path() : fs::weakly_canonical(options.package) / manifest.source_path;
  const fs::path path = by_record ? recorded.lexically_normal() : options.original;
  std::error_code ec;
  if (!result.problems.empty() || (by_record && (path.empty() || !is_there(path)))) return result;
  const auto compare = [&] {
    const OpenModel original = open_model({path, options.adapter, manifest.dropped}, Unrecognised::kList);
    std::string why_not = why_other_source(original, manifest, pool);
    if (!why_not.empty()) return why_not;
    result.original = path.string();
    compare_errors(manifest, original, checkpoint, options.stride, pool, result);
    return std::string();
  };
  if (!by_record || !options.adapter.empty()) {
    if (std::string problem = compare(); !problem.empty()) result.problems.push_back(std::move(problem));
    return result;
  }
  // What lies there now says nothing of the package.
  std::string problem;
  try {
    problem = compare();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted || !result.original.empty()) throw;
    problem = error.what();
  }
  if (!problem.empty()) observer.note(problem + "; nothing was compared with it");
  return result;
}

}  // namespace quern
