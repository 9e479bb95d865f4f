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
  std::string name;  // in the package, '/' between folders; "../NAME" of weights that lie beside the folder
  std::uint64_t bytes = 0;
  std::string sha256;
  Role role = Role::kModel;
};

// What the manifest of one file, in FILE.report, calls it; whether a name is such a one; and FILE of it, or the name of
// what lies in the package itself.
std::string name_beside(const std::string& file);
bool is_name_beside(const std::string& name);
std::string name_in_place(const std::string& name);

// A run of bytes in a file, with its hash.
struct HashedTensor {
  std::string name;  // as the file calls it: one plane of a packed weight, for example
  std::uint64_t offset = 0, bytes = 0;
  std::string sha256;
};

// The parts of one file of weights.
struct HashedParts {
  std::string file;                // name in the package
  std::uint64_t header_bytes = 0;  // before the first tensor
  std::string header_sha256;
  std::vector<HashedTensor> tensors;  // by offset
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
  std::string surroundings = {};          // hash_of_surroundings of the source, where something was made of them
  std::vector<HashedParts> parts = {};    // empty: it was edited
  std::string name = {};                  // that a person gave the model; empty: the source's
  std::string version = {};               // of the program, as read

  // What the hash of the manifest itself says of it, as read. Every version writes one: a missing one was removed.
  enum class Seal { kMissing, kHolds, kBroken };
  Seal seal = Seal::kMissing;

  // Bytes of the files that a runtime needs: weights, configuration, tokenizer.
  std::uint64_t model_bytes() const;
};

// Without a seal.
Json to_json(const Manifest& manifest);
// With the member manifest_sha256 at its end: the SHA-256 of the file as it is written, but for the 64 digits of that
// member, which count as zeros. The file is dump_json of indent 1 and a newline.
Json sealed(Json manifest);
// Error(kVerification) when the file is missing or is not a manifest of this schema. A broken seal is told, not thrown.
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
