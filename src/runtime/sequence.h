// One sequence of tokens, fed a few at a time: weights stay packed, attention keeps keys and values, scans their
// states.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/block_walk.h"

namespace quern {

class Sequence {
 public:
  // Loads the weights and makes room for `capacity` tokens. `context` must outlive the sequence; its form is taken to
  // be packed.
  Sequence(const WalkContext& context, std::size_t capacity);
  Sequence(Sequence&&) noexcept;
  ~Sequence();

  std::size_t position() const noexcept;  // tokens fed so far
  std::size_t capacity() const noexcept;
  // Feeds tokens and returns the logits behind the last of them, valid until the next call. Error(kInput) when an id is
  // outside the vocabulary, when there is no room for them (nothing is fed then), or when a value is not finite.
  // Tokens pass in chunks of at most 64; `before_chunk` is called before each and may throw, which leaves the tokens of
  // the chunks before fed. REQUIRES: not empty.
  std::span<const float> feed(std::span<const std::int32_t> ids, const std::function<void()>& before_chunk = {});
  // Forgets all tokens.
  void clear();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Bytes of weights that are read for one token: matrices, and of a mixture the chosen experts.
std::uint64_t weight_bytes_per_token(const WalkContext& context);

// Bytes of keys, values and states of a sequence with room for `tokens` tokens.
std::uint64_t state_bytes(const ModelSpec& spec, std::size_t tokens);

}  // namespace quern
