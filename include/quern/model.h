// A model on disk, opened and described.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "quern/export.h"
#include "quern/model_source.h"

namespace quern {

class OpenModel;

// A handle: copies share one model, whose files stay open as long as any of them lives. Nothing in it changes, so that
// threads may share it.
class QUERN_API Model {
 public:
  // Reads the tables of its files and its configuration, no weights. Error(kUsage) for an empty path; Error(kInput)
  // when the files cannot be read or no architecture recognises them.
  explicit Model(const std::filesystem::path& path);

  // With an adapter merged, or without some tensors. Error(kInput) also where the adapter is of another model, or of a
  // kind that cannot be merged; Error(kUsage) for a pattern that no tensor matches.
  explicit Model(const ModelSource& source);

  std::string name() const;  // of the folder, or of the file without extension
  std::string architecture() const;
  std::string format() const;        // of its files
  std::uint64_t parameters() const;  // distinct weights
  std::uint64_t file_bytes() const;  // weights, configuration, tokenizer
  std::uint64_t context() const;     // tokens that it was made for

 private:
  friend const OpenModel& opened(const Model& model);

  std::shared_ptr<const OpenModel> opened_;
};

// Model(path), for those who read it as a sentence.
inline Model open(const std::filesystem::path& path) { return Model(path); }

}  // namespace quern
