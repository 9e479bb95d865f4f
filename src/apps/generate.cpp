// Prompt, then one token after another.
#include "apps/generate.h"

#include <algorithm>
#include <chrono>

#include "base/elapsed.h"
#include "base/fail.h"
#include "base/interruption.h"
#include "model/tied_copy.h"
#include "runtime/sampler.h"
#include "runtime/sequence.h"
#include "runtime/sequence_memory.h"
#include "text/stop_strings.h"
#include "vocabulary/end_tokens.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::int32_t> prompt_ids(const Tokenizer& tokenizer, const std::string& prompt) {
  std::vector<std::int32_t> ids = tokenizer.encode(prompt);
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  std::vector<std::int32_t> before = ids_before_text(vocabulary);
  if (before.empty() && ids.empty() && vocabulary.bos >= 0) before = {vocabulary.bos};
  const bool is_there = ids.size() >= before.size() && std::ranges::equal(before, std::span(ids).first(before.size()));
  if (!is_there) ids.insert(ids.begin(), before.begin(), before.end());
  if (ids.empty()) throw Error(ErrorCode::kUsage, "the prompt is empty, and this model has no token to begin with");
  return ids;
}

std::size_t context_for(const GenerateOptions& options, const ModelSpec& spec) {
  const std::uint64_t most = spec.extent("context");
  if (options.context > most)
    fail(ErrorCode::kUsage, "a context of {} was asked for; this model was made for {} tokens", options.context, most);
  return options.context ? options.context : std::min<std::uint64_t>(most, kUsualContext);
}

}  // namespace

const char* to_string(GenerateResult::End end) {
  constexpr const char* kNames[] = {"token limit", "stop string", "end of text", "context full"};
  return kNames[static_cast<int>(end)];
}

GenerateResult generate_text(const OpenModel& model, const GenerateOptions& options,
                             const std::function<void(std::string_view)>& show, Observer& observer) {
  const auto start = Clock::now();
  Sampler sampler(options.sampling);
  StopStrings stops(options.stops);
  ThreadPool pool(options.machine.threads);
  const std::size_t context = context_for(options, model.spec);
  const Tokenizer tokenizer = load_tokenizer(model.checkpoint);
  const std::vector<std::int32_t> prompt = prompt_ids(tokenizer, options.prompt);
  if (prompt.size() > context)
    fail(ErrorCode::kInput, "the prompt has {} tokens, more than the context of {}; shorten it or raise `context`",
         prompt.size(), context);
  check_tied_copy(model.checkpoint, model.spec);
  const WalkContext walk = model.walk(pool, Precision::kF32);
  const std::set<std::int32_t> ends = end_tokens(model.checkpoint, tokenizer.vocabulary());
  // Room for no more than can come: tokens may be any number.
  const std::size_t room = prompt.size() + std::min(context - prompt.size(), options.tokens);
  check_sequence_memory(walk, room, options.machine.max_memory);
  Sequence sequence(walk, room);
  GenerateResult result;
  result.prompt_tokens = prompt.size();
  result.load_seconds = seconds_since(start);
  // A row of the head without a piece, as padding leaves them, says no text.
  const auto next_id = [&](std::span<const float> logits) {
    return static_cast<std::int32_t>(
        sampler.sample(logits.first(std::min(logits.size(), tokenizer.vocabulary().pieces.size()))));
  };
  const auto emit = [&](const std::string& text) {
    if (text.empty()) return;
    result.text += text;
    show(text);
  };
  auto since = Clock::now();
  std::span<const float> logits = sequence.feed(prompt, [&] { check_interrupted(observer); });
  result.prompt_seconds = seconds_since(since);
  since = Clock::now();
  while (result.tokens < options.tokens) {
    check_interrupted(observer);
    const std::int32_t id = next_id(logits);
    ++result.tokens;
    if (ends.contains(id)) {
      result.end = GenerateResult::End::kEndOfText;
      break;
    }
    emit(stops.feed(tokenizer.decode_piece(id)));
    if (stops.stopped()) {
      result.end = GenerateResult::End::kStopString;
      break;
    }
    if (result.tokens == options.tokens) break;
    if (sequence.position() == context) {
      result.end = GenerateResult::End::kContext;
      break;
    }
    logits = sequence.feed({&id, 1});
  }
  if (!stops.stopped()) emit(stops.flush());
  result.seconds = seconds_since(since);
  return result;
}

}  // namespace quern
