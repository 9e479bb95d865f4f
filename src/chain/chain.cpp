// Every stage is a compression of its own, into a package of its own, measured from its files.
#include "chain/chain.h"

#include <chrono>
#include <deque>
#include <map>
#include <set>

#include "apps/eval_models.h"
#include "base/counted.h"
#include "base/descriptor.h"
#include "base/elapsed.h"
#include "base/fail.h"
#include "base/file.h"
#include "chain/summed_weights.h"
#include "compress/compress.h"
#include "format/formats.h"
#include "package/package.h"
#include "package/package_names.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMixGivenASize = "q4_k_m";  // whose container has formats of every width

// Of the files that hold tensors.
std::uint64_t weight_bytes(const Checkpoint& checkpoint) {
  std::set<std::size_t> files;
  for (const TensorEntry& tensor : checkpoint.tensors())
    for (const TensorPart& part : tensor.parts) files.insert(part.file);
  std::uint64_t sum = 0;
  for (const std::size_t file : files) sum += checkpoint.files()[file].bytes;
  return sum;
}

class Chain {
 public:
  Chain(const CompressOptions& options, Observer& observer, const fs::path& folder)
      : options_(options), observer_(observer), folder_(folder), model_(options.input) {
    eval_.text = options.report_text;
    eval_.windows = options.report_windows;
    eval_.machine = options.machine;
  }

  const OpenModel& model() const { return model_; }

  std::vector<ChainRow> run(const std::vector<ChainStage>& stages, std::vector<std::string>& notes) {
    std::vector<ChainRow> rows;
    for (const ChainStage& stage : stages) {
      rows.push_back({stage, {}, {}, {}, {}});
      rows.back().literal = literal_stage(stage, rows.size());
      rows.back().residual =
          rows.size() == 1 ? first_residual(rows.back().literal) : residual_stage(stage, rows.size());
    }
    if (options_.calibration_text.empty()) {
      notes.push_back("no calibration text: no format was chosen for the same bytes; give one");
      return rows;
    }
    for (ChainRow& row : rows) {
      row.once_literal = once(row.literal.bytes, notes);
      row.once_residual = once(row.residual.bytes, notes);
    }
    return rows;
  }

 private:
  // Of one package; of an interrupted run, whole or to be gone on with.
  CompressOptions package_options(const std::string& name) const {
    CompressOptions package;
    package.input = options_.input;
    package.output = folder_ / name;
    package.name = options_.name;
    package.machine = options_.machine;
    package.start = options_.start;
    package.command = options_.command;
    package.requantize = CompressOptions::Requantize::kAllow;
    package.larger = CompressOptions::Larger::kAllow;
    package.damage = CompressOptions::Damage::kAllow;
    return package;
  }

  CompressOptions stage_options(const std::string& chain, const ChainStage& stage, std::size_t number) const {
    CompressOptions package = package_options(fmt::format("{}-{}-{}", chain, number, stage.name));
    package.scheme = stage.scheme;
    return package;
  }

  void say(const CompressOptions& package) const {
    observer_.note(fmt::format("{}: {}", package.output.filename().string(), package.scheme));
  }

  MeasuredFiles literal_stage(const ChainStage& stage, std::size_t number) {
    CompressOptions package = stage_options("literal", stage, number);
    if (literal_.empty())
      package.requantize = options_.requantize;  // the person's own file; what stages leave is quantized by design
    else
      package.input = literal_;
    literal_ = package.output;
    say(package);
    if (!is_there(package.output)) compress(package, observer_);
    const OpenModel result(package.output);
    return {result.file_bytes(), eval_models(eval_, result, &model_, observer_).quality};
  }

  // What is left of the model before the first stage is the model.
  MeasuredFiles first_residual(const MeasuredFiles& literal) {
    residual_.emplace_back(literal_);
    residual_bytes_ = literal.bytes;
    return literal;
  }

  MeasuredFiles residual_stage(const ChainStage& stage, std::size_t number) {
    CompressOptions package = stage_options("residual", stage, number);
    package.name = fmt::format("{}: what the {} before leave of it, no model by itself",
                               options_.name.empty() ? model_.name() : options_.name, counted(number - 1, "stage"));
    say(package);
    if (!is_there(package.output)) {
      const Opened opened(package, observer_, summed(SummedWeights::Form::kRemainder));
      compress(opened, read_texts(opened));
    }
    residual_bytes_ += weight_bytes(residual_.emplace_back(package.output).checkpoint);
    return {residual_bytes_, eval_models(eval_, summed(SummedWeights::Form::kSum), &model_, observer_).quality};
  }

  OpenModel summed(SummedWeights::Form form) const {
    std::vector<const OpenModel*> packages;
    for (const OpenModel& package : residual_) packages.push_back(&package);
    return {std::make_shared<const Checkpoint>(open_checkpoint(options_.input)), model_.spec,
            std::make_unique<const SummedWeights>(model_, std::move(packages), form)};
  }

  // Formats chosen for so many bytes.
  std::optional<MeasuredFiles> once(std::uint64_t bytes, std::vector<std::string>& notes) {
    if (const auto known = once_.find(bytes); known != once_.end()) return known->second;
    CompressOptions package = package_options(fmt::format("once-{}", bytes));
    package.scheme = kMixGivenASize;
    package.calibration_text = options_.calibration_text;
    package.calibration_windows = options_.calibration_windows;
    package.gate_text = options_.gate_text;
    package.gate_windows = options_.gate_windows;
    package.size = SizeGoal{SizeGoal::Unit::kBytes, static_cast<double>(bytes)};
    say(package);
    std::optional<MeasuredFiles> result;
    try {
      if (!is_there(package.output)) compress(package, observer_);
      const OpenModel written(package.output);
      result = {written.file_bytes(), eval_models(eval_, written, &model_, observer_).quality};
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInfeasible) throw;
      notes.push_back(fmt::format("nothing was chosen for {} bytes: {}", bytes, error.what()));
    }
    return once_[bytes] = result;
  }

  const CompressOptions& options_;
  Observer& observer_;
  const fs::path folder_;
  const OpenModel model_;
  EvaluateOptions eval_;
  fs::path literal_;                // the package of the last literal stage
  std::deque<OpenModel> residual_;  // those of the residual stages so far
  std::uint64_t residual_bytes_ = 0;
  std::map<std::uint64_t, std::optional<MeasuredFiles>> once_;
};

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
}

}  // namespace

ChainReport run_chain(const CompressOptions& options, const std::vector<ChainStage>& stages, Observer& observer) {
  if (options.report_text.empty())
    fail(ErrorCode::kUsage, "a chain is measured after every stage: `report_text` is the text to measure on");
  check_output(options.output, options.input, options.existing);
  const auto start = std::chrono::steady_clock::now();
  const bool resumes = options.start == CompressOptions::Start::kResume;
  OutputFolder out(options.output, options.existing,
                   resumes ? OutputFolder::Unfinished::kKeep : OutputFolder::Unfinished::kRemove);
  out.when_unpublished(OutputFolder::Unfinished::kKeep);
  const fs::path folder = out.path() / "chain";
  make_folder(folder);
  Chain chain(options, observer, folder);
  ChainReport report{.model_name = options.name.empty() ? chain.model().name() : options.name,
                     .command = options.command,
                     .source_bytes = chain.model().file_bytes(),
                     .parameters = chain.model().parameters(),
                     .text = options.report_text.filename().string(),
                     .rows = {},
                     .notes = {},
                     .seconds = 0};
  report.rows = chain.run(stages, report.notes);
  report.seconds = seconds_since(start);
  write_text(folder / kChainName, dump_json(to_json(report), 1) + "\n");
  write_text(folder / kCardName, chain_markdown(report));
  write_text(folder / kChainHtmlName, chain_page(report));
  out.publish("chain");
  return report;
}

}  // namespace quern
