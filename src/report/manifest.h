// manifest.json: what a package was made from, with what, and the hash of every file in it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file_hashes.h"
#include "base/thread_pool.h"
#include "optim/optimizer.h"
#include "plan/plan.h"

namespace quern {

inline constexpr const char* kManifestName = "manifest.json";

struct HashedFile {
  // What a runtime needs, what proves where it came from, and what lay beside the source's weights.
  enum class Role { kModel, kEvidence, kCompanion };
  std::string name;  // in the package, '/' between folders
  std::uint64_t bytes = 0;
  std::string sha256;
  Role role = Role::kModel;
};

// A step of the plan, and what its tensor lost.
struct ManifestTensor {
  PlanStep step;
  EncodeError error;
};

struct Manifest {
  std::string source_path, source_format;
  std::vector<HashedFile> source_files, output_files;
  Plan plan;
  std::vector<ManifestTensor> tensors;    // of the plan, in file order
  std::string overlay = {};               // Weights::identity of what was read; empty: the files' own numbers
  std::vector<std::string> dropped = {};  // patterns of tensors that were left out

  // Bytes of the files that a runtime needs: weights, configuration, tokenizer.
  std::uint64_t model_bytes() const;
};

Json to_json(const Manifest& manifest);
// Error(kVerification) when the file is missing or is not a manifest of this version.
Manifest read_manifest(const std::filesystem::path& folder);

// Has the files of a checkpoint hashed, and their hashes once that is done.
void add_files(const Checkpoint& checkpoint, FileHashes& hashes);
std::vector<HashedFile> hashed_files(const Checkpoint& checkpoint, const FileHashes& hashes);
// Both at once.
std::vector<HashedFile> hash_files(const Checkpoint& checkpoint, ThreadPool& pool);
// One hash over the names and hashes of the files, and what else the weights depend on (Weights::identity): identifies
// the source in plans.
std::string combined_hash(const std::vector<HashedFile>& files, const std::string& overlay = {});

}  // namespace quern
