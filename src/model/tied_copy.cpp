// Row by row, a few at a time.
#include "model/tied_copy.h"

#include <algorithm>

#include "base/fail.h"
#include "model/checkpoint_weights.h"

namespace quern {
namespace {

constexpr std::size_t kRowsCompared = 64;

}  // namespace

void check_tied_copy(const Checkpoint& checkpoint, const ModelSpec& spec) {
  if (spec.tied_copy.empty()) return;
  const CheckpointWeights source(checkpoint);
  const std::string &embedding = spec.weights.front().tensor, &head = spec.tied_copy;
  const RowLayout layout = source.layout(embedding), other = source.layout(head);
  const std::string both =
      fmt::format("{} ties the head to the embedding, but {} and {}", checkpoint.path().string(), head, embedding);
  const char* advice = "set tie_word_embeddings to false if the head is the right one, or remove it from the file";
  if (layout.rows != other.rows || layout.cols != other.cols)
    fail(ErrorCode::kInput, "{} have the shapes {} and {}; {}", both, to_string(checkpoint.at(head).shape),
         to_string(checkpoint.at(embedding).shape), advice);
  for (std::size_t first = 0; first < layout.rows; first += kRowsCompared) {
    const std::size_t count = std::min<std::size_t>(kRowsCompared, layout.rows - first);
    Matrix a(count, layout.cols), b(count, layout.cols);
    source.read_rows(embedding, first, a.view());
    source.read_rows(head, first, b.view());
    for (std::size_t i = 0; i < count; ++i)
      if (!std::ranges::equal(std::as_const(a).row(i), std::as_const(b).row(i)))
        fail(ErrorCode::kInput, "{} differ, first in row {}; {}", both, first + i, advice);
  }
}

}  // namespace quern
