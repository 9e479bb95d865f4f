// What decides the bytes of a package, written down so that an interrupted run is continued by an equal one only.
#pragma once

#include <filesystem>

#include "compress/compress_texts.h"
#include "compress/scheme_choice.h"
#include "report/manifest.h"

namespace quern {

struct RunIdentity {
  const CompressOptions& options;
  const OpenModel& source;
  const CompressTexts& texts;
  const Scheme& scheme;
  const Format& format;
  Precision precision;
  Json memory;  // memory_choices
};

// The model's files, name by name: by their stamps in a RunIdentity, whose hashes may become known later.
inline constexpr const char* kModelFiles = "MODEL";

Json to_json(const RunIdentity& run);
// The name of the first file that is not the same in both; empty: all are.
std::string changed_file(const Json& then, const Json& now);
Json stamps_by_name(const Checkpoint& checkpoint);
Json hashes_by_name(const std::vector<HashedFile>& files);

// Error(kInput) when the model's files are others than `then`, Error(kUsage) when anything else is; the message names
// what differs. `partial`: where the run was begun.
void check_same_run(const Json& then, const Json& now, const std::filesystem::path& partial);

}  // namespace quern
