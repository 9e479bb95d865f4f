// Two models side by side on one text.
#include "apps/eval_models.h"

#include <algorithm>
#include <span>

#include "base/fail.h"
#include "measure/evaluate.h"
#include "measure/evaluation_setup.h"
#include "model/tied_copy.h"
#include "package/requantization.h"
#include "report/report.h"
#include "tokenizer/texts.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

// Pieces that have a row in the model: a tokenizer may have more.
std::span<const Vocabulary::Piece> pieces_with_rows(const Tokenizer& tokenizer, const ModelSpec& spec) {
  const std::span<const Vocabulary::Piece> all(tokenizer.vocabulary().pieces);
  return all.first(std::min<std::size_t>(all.size(), spec.extent("vocab")));
}

void check_same_pieces(std::span<const Vocabulary::Piece> p, std::span<const Vocabulary::Piece> q) {
  const auto& longer = p.size() > q.size() ? p : q;
  const std::size_t common = std::min(p.size(), q.size());
  const bool padding = std::all_of(longer.begin() + static_cast<std::ptrdiff_t>(common), longer.end(),
                                   [](const auto& piece) { return piece.type == Vocabulary::PieceType::kUnused; });
  if (!padding)
    fail(ErrorCode::kInput, "the models cannot be compared: their vocabularies have {} and {} pieces", p.size(),
         q.size());
  for (std::size_t i = 0; i < common; ++i)
    if (p[i].text != q[i].text)
      fail(ErrorCode::kInput, "the models cannot be compared: piece {} is \"{}\" in one and \"{}\" in the other", i,
           p[i].text, q[i].text);
}

ActivationStore walk_all(const WalkContext& walk, const Windows& windows, const EvaluationSetup& setup,
                         const char* stage, Observer& observer) {
  observer.stage(stage, walk.spec.blocks.size() - 1);
  return final_hidden(walk, windows, setup.memory_limit, observer);
}

std::vector<std::string> notes_on(const EvaluateOptions& options, const ModelSpec& spec) {
  std::vector<std::string> notes = description_notes(spec);
  if (options.window_length > spec.extent("context"))
    notes.push_back(fmt::format("windows of {} tokens are longer than the {} that the model was made for",
                                options.window_length, spec.extent("context")));
  return notes;
}

}  // namespace

EvaluateResult eval_models(const EvaluateOptions& options, const OpenModel& model, const OpenModel* original,
                           Observer& observer) {
  ThreadPool pool(options.machine.threads);
  const EvaluationSetup setup = evaluation_setup(options.machine, model.spec, pool.threads(), options.window_length);
  std::vector<std::string> notes = notes_on(options, model.spec);
  const Tokenizer tokenizer = load_tokenizer(model.checkpoint, &notes);
  const Windows windows = with_context("while cutting windows from " + options.text.string(), [&] {
    return make_windows(tokenizer, load_text(options.text, &notes), options.window_length, options.windows);
  });
  check_tied_copy(model.checkpoint, model.spec);
  const WalkContext walk = model.walk(pool, setup.precision);
  EvaluateResult result{.quality = {},
                        .bytes = model.file_bytes(),
                        .original_bytes = 0,
                        .original_quantized = {},
                        .precision = setup.precision,
                        .notes = std::move(notes)};
  const ActivationStore rows = walk_all(walk, windows, setup, "evaluate", observer);
  if (!original) {
    result.quality = with_context("while measuring " + model.checkpoint.path().string(),
                                  [&] { return summarise(score(walk, rows, windows)); });
    return result;
  }
  const Tokenizer original_tokenizer = load_tokenizer(original->checkpoint);
  check_same_pieces(pieces_with_rows(original_tokenizer, original->spec), pieces_with_rows(tokenizer, model.spec));
  check_tied_copy(original->checkpoint, original->spec);
  const WalkContext original_walk = original->walk(pool, setup.precision);
  const ActivationStore original_rows = walk_all(original_walk, windows, setup, "evaluate the original", observer);
  result.original_bytes = original->file_bytes();
  result.original_quantized = describe_quantization(original->spec, original->checkpoint);
  result.quality = summarise(compare(original_walk, original_rows, walk, rows, windows));
  return result;
}

Json to_json(const EvaluateResult& result) {
  Json json = to_json(result.quality);
  json.set("bytes", result.bytes);
  json.set("original_bytes", result.original_bytes);
  json.set("original_quantized", result.original_quantized.empty() ? Json() : Json(result.original_quantized));
  json.set("precision", std::string(to_string(result.precision)));
  json.set("notes", Json::Array(result.notes.begin(), result.notes.end()));
  return json;
}

}  // namespace quern
