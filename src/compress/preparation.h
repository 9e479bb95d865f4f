// What a plan is made from: a model opened, its scheme and container settled, then its texts and statistics.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compress/compress_texts.h"
#include "compress/scheme_choice.h"
#include "encode/encode.h"
#include "measure/evaluation_setup.h"
#include "plan/coupling.h"
#include "report/manifest.h"

namespace quern {

struct Preparation {
  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  const CompressOptions& options;
  Observer& observer;
  std::optional<Plan> given;                  // options.plan, as it was read
  std::optional<PrecisionMap> precision_map;  // options.precision_map
  ThreadPool pool;
  OpenModel source;
  const TensorFiles copied;  // names.copied are tensors of these
  const SchemeChoice choice;
  const Scheme& scheme;
  const Format& format;
  ExportMap names;
  const std::vector<Coupling> couplings;  // of the model in the format
  EvaluationSetup setup;
  const Optimizer* optimizer;            // the one that was named; null: whichever measures better
  CompressTexts texts;                   // once read
  FileHashes hashes;                     // of the model's files, and of those that are written beside hashing them
  std::vector<HashedFile> source_files;  // once hashed
  Statistics statistics;
  std::optional<HessianStore> hessians;  // where an optimizer needs them
  std::optional<Inputs> inputs;          // both of the above
  std::string statistics_sha256;         // empty: there are none

  // Opens the model that the options name, unless it is opened already, with weights of its own perhaps. Refuses
  // options that cannot work. Reads no weights, and no text.
  Preparation(const CompressOptions& options, Observer& observer, std::optional<OpenModel> opened = std::nullopt);
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  // Cuts the texts into windows, the first time.
  void read_texts(GateText gate = GateText::kWhereNeeded);
  // Has the model's files hashed beside encoding.
  void begin_hashing();
  // The hashes of the model's files. What is left of the work is done here.
  const std::vector<HashedFile>& hash_source();
  // Of these files, and of what its weights are beside them. REQUIRES: they were hashed.
  std::string source_hash() const;
  // By the scheme, or the one that was given. Refuses what cannot be planned. One by the scheme names the model's hash
  // only behind hash_source.
  Plan plan() { return plan(optimizer); }
  // The same with this optimizer for the matrices whose inputs are known; null: the scheme's.
  Plan plan(const Optimizer* by);
  // What a person should know of a plan before it is carried out.
  std::vector<std::string> notes_of(const Plan& plan) const;
  // What keeps programs from loading its files.
  std::vector<std::string> loading_notes(const Plan& plan) const;
  // Whether there is something to collect statistics from.
  bool calibrates() const { return !options.statistics.empty() || !options.calibration_text.empty(); }
  // Whether anything is computed with the weights before they are encoded. REQUIRES: the texts were read.
  bool runs_first() const { return texts.calibration || options.size; }
  // Whether the model's hash is asked for before that: by a plan that was given, and by records that go by the hash of
  // the plan. REQUIRES: the texts were read.
  bool hashes_first() const { return given || options.bound.is_set() || runs_first(); }
  // Whether a Hessian of every group is to be collected: there is a text, and something that uses them.
  bool wants_hessians() const;
  // Of the calibration text, or those that were given, written to `file`; Hessians into a store beside it, which goes
  // on with what is there. Returns the hash of the file.
  std::string collect(const std::filesystem::path& file);
  // Statistics go through their file, so that a run from the file gives the same bytes.
  void use_statistics(const std::filesystem::path& file);

  // Header of a plan's files.
  const CheckpointHead& head_of(const Plan& plan);
  // Bytes of all of them that a runtime needs.
  std::uint64_t bytes_of(const Plan& plan);
  WalkContext walk() { return source.walk(pool, setup.precision); }
  EncodeInput encode_input() { return {source.weights, source.spec, names, *inputs, pool, observer, &copied}; }

 private:
  HessianIdentity hessians_of();
  Statistics collect_with_hessians(const std::filesystem::path& folder);

  bool texts_are_read_ = false, hashing_ = false;
  std::optional<CheckpointHead> head_;  // of any plan: only the tensors differ
};

}  // namespace quern
