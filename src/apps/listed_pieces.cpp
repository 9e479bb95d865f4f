// Pieces are runs of the sorted table.
#include "apps/listed_pieces.h"

#include <memory>
#include <span>
#include <utility>

#include "model/checkpoint_weights.h"
#include "model/unknown_model.h"

namespace quern {
namespace {

void for_each_run(const Checkpoint& files, const std::function<void(std::span<const TensorEntry>)>& use) {
  const std::span<const TensorEntry> all = files.tensors();
  for (std::size_t first = 0, last = 0; first < all.size(); first = last) {
    std::size_t name_bytes = 0;
    do name_bytes += all[last++].name.size();
    while (last < all.size() && last - first < kTensorsOfPiece &&
           name_bytes + all[last].name.size() <= kNameBytesOfPiece);
    use(all.subspan(first, last - first));
  }
}

}  // namespace

void for_each_listed_piece(const Checkpoint& files, const std::function<void(const ModelSpec& piece)>& use) {
  for_each_run(files, [&](std::span<const TensorEntry> tensors) {
    ModelSpec piece;
    list_tensors(tensors, piece);
    use(piece);
  });
}

void for_each_listed_model(const Checkpoint& files, const ModelSpec& outline,
                           const std::function<void(const OpenModel& piece)>& use) {
  for_each_run(files, [&](std::span<const TensorEntry> tensors) {
    const auto part = std::make_shared<const Checkpoint>(Checkpoint::Contents{
        files.format(), files.path(), files.files(), {tensors.begin(), tensors.end()}, files.config(), {}, {}});
    ModelSpec spec = outline;
    list_tensors(part->tensors(), spec);
    use(OpenModel(part, std::move(spec), std::make_unique<const CheckpointWeights>(*part)));
  });
}

}  // namespace quern
