// Hyper-parameters wherever they are written down: config.json of transformers, metadata of a GGUF file, or nowhere.
// Every value that is asked for leaves a line of evidence.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_spec.h"

namespace quern {

// The names of one value. `gguf` stands behind the family's prefix ("attention.head_count" of "llama."); null: that
// source has no such value.
struct HyperKey {
  const char* transformers;
  const char* gguf;
};

// Evidence of a value that neither a configuration nor a tensor gives.
inline constexpr const char* kUsualValue = "assumed: the family's usual value";

// A dimension of the model.
struct Extent {
  std::uint64_t value = 0;
  std::string claim;  // for messages: "hidden_size 512", "head_dim 64 (q.weight is [512, 512], axis 0 is ...)"
  Evidence::Kind kind = Evidence::Kind::kStated;
};

class HyperParameters {
 public:
  enum class Source { kTransformers, kGguf, kTensors };

  // `prefix` of the GGUF keys, "llama.".
  HyperParameters(const Checkpoint& checkpoint, std::string prefix, ConfigUse use);

  const Checkpoint& checkpoint() const noexcept { return *checkpoint_; }
  Source source() const noexcept { return source_; }
  // Nothing is to be held against the tensors (ConfigUse::kClaims).
  bool only_claims() const noexcept { return use_ == ConfigUse::kClaims; }
  const char* place() const;             // "config.json"
  std::string word(HyperKey key) const;  // "hidden_size", "llama.embedding_length"

  // nullopt where the value is absent (or null). Error(kInput) that names the key when it is of another kind.
  std::optional<std::uint64_t> whole(HyperKey key) const;
  std::optional<double> real(HyperKey key) const;
  std::optional<bool> flag(HyperKey key) const;
  std::optional<std::string> text(HyperKey key) const;

  // As above, `usual` where it is absent, with a line of evidence called `property`.
  double real_or(const char* property, HyperKey key, double usual);
  std::uint64_t whole_or(const char* property, HyperKey key, std::uint64_t usual);

  // Sets an extent from its key. An absent one is left for the tensors (infer_extents), and the key is remembered for
  // the message when they do not show it either. Error(kInput) outside 1..limit.
  void extent(const char* name, HyperKey key, std::uint64_t limit = kExtentLimit);
  // Sets an extent that follows from what the configuration says: inner from `words`, "expand 2".
  void state(const std::string& name, std::uint64_t value, const std::string& words);
  // Sets an extent that the tensors show.
  void infer(const std::string& name, std::uint64_t value, const std::string& source);
  void assume(const std::string& name, std::uint64_t value, const std::string& why);
  // Assumes the family's usual value where neither its key nor a tensor gave one.
  void fall_back(const std::string& name, std::uint64_t usual);
  bool knows(std::string_view name) const { return extents_.count(std::string(name)) != 0; }
  bool assumes(std::string_view name) const;
  std::uint64_t operator[](std::string_view name) const;

  // Extent of an axis: sums of products of extents and numbers, "rank+2*state".
  std::uint64_t axis(std::string_view expression) const;
  // What is said about an axis: "config.json says num_attention_heads 8 and head_dim 64".
  std::string claim(std::string_view expression) const;

  const std::map<std::string, Extent>& extents() const noexcept { return extents_; }
  void note(Evidence evidence) { evidence_.push_back(std::move(evidence)); }
  const std::vector<Evidence>& evidence() const noexcept { return evidence_; }

  // Beyond it a file is broken rather than large; keeps products of two within 64 bits.
  static constexpr std::uint64_t kExtentLimit = std::uint64_t{1} << 31;

 private:
  const Json* json(HyperKey key) const;
  std::string gguf_key(HyperKey key) const { return prefix_ + key.gguf; }
  void set(const std::string& name, Extent extent, std::string source);
  // "config.json has no hidden_size"; of a value that no key was asked for: "the tensors do not show it".
  std::string absence(std::string_view name) const;

  const Checkpoint* checkpoint_;
  std::string prefix_;
  ConfigUse use_;
  Source source_;
  std::map<std::string, std::string, std::less<>> absent_;  // extent -> its key, which the configuration lacks
  std::map<std::string, Extent> extents_;
  std::vector<Evidence> evidence_;
};

// The factors of an axis expression, in order: {"rank", "2", "state"}.
std::vector<std::string_view> axis_factors(std::string_view expression);

}  // namespace quern
