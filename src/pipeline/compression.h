// What does not change while one model is compressed: everything opened, checked and hashed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/compress_journal.h"
#include "pipeline/compress_texts.h"
#include "pipeline/encode.h"
#include "pipeline/scheme_choice.h"
#include "pipeline/tensor_facts.h"

namespace quern {

struct Compression {
  const CompressOptions& options;
  Observer& observer;
  ThreadPool pool;
  OpenModel source;
  const SchemeChoice choice;
  const Scheme& scheme;
  const Format& format;
  ExportMap names;
  EvaluationSetup setup;
  OutputFolder out;
  CompressTexts texts;
  std::vector<HashedFile> source_files;
  CompressJournal journal;
  Statistics statistics;
  std::string statistics_sha256;   // empty: there are none
  std::vector<TensorFacts> facts;  // of each step
  std::optional<SizeChoice> size;

  // Takes the output folder. What an interrupted run left in it stays as it is when this throws and `options` say to
  // resume.
  Compression(const CompressOptions& options, Observer& observer);

  WalkContext walk() { return source.walk(pool, setup.precision); }
  EncodeInput encode_input() { return {source.checkpoint, source.spec, names, statistics, pool, observer}; }
};

}  // namespace quern
