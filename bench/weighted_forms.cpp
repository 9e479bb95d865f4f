// quern_weighted_forms CALIBRATION EVALUATION MODEL [FORMAT ...]: tr(D H D^T) of SeedLM and VPTQ by importance and with
// error feedback, VPTQ with descent after it too, over that of their plain forms (all columns alike, no feedback), H of
// the calibration text and of windows that neither saw: median, least and greatest of the model's matrices, and bits a
// weight of them all, codebooks counted. Of all formats, or of some.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "bench/heard_texts.h"
#include "codec/packed_tensor.h"
#include "optim/encode_error.h"
#include "optim/optimizer.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

struct Pair {
  const char *plain, *weighted, *optimizer;
  std::size_t rows;  // of each matrix, or of its first expert: codebooks are learnt from all
};
constexpr std::size_t kSearchedRows = 64;
constexpr std::array kPairs = {Pair{"seedlm_4", "seedlm_4w", "ldlq", kSearchedRows},
                               Pair{"seedlm_3", "seedlm_3w", "ldlq", kSearchedRows},
                               Pair{"vptq_v4_k256", "vptq_v4_k256", "ldlq", SIZE_MAX},
                               Pair{"vptq_v3_k64", "vptq_v3_k64", "ldlq", SIZE_MAX},
                               Pair{"vptq_v8_k256", "vptq_v8_k256", "ldlq", SIZE_MAX},
                               Pair{"vptq_v4_k256", "vptq_v4_k256", "descent", SIZE_MAX},
                               Pair{"vptq_v3_k64", "vptq_v3_k64", "descent", SIZE_MAX},
                               Pair{"vptq_v8_k256", "vptq_v8_k256", "descent", SIZE_MAX},
                               Pair{"vptq_v4_k256", "vptq_v4_k256_o256", "ldlq", SIZE_MAX},
                               Pair{"vptq_v4_k256", "vptq_v4_k256_o256", "descent", SIZE_MAX}};

struct Losses {
  double known = 0, held_out = 0;
};

Losses losses(const char* name, const Matrix& rows, const InputContext& by, const char* optimizer,
              const InputContext& known, const InputContext& held_out) {
  PackedTensor packed(trained_on(*find_codec(name), rows.view(), by.importance), {rows.rows(), rows.cols()});
  find_optimizer(optimizer).encode(by, rows.view(), packed);
  return {measure_error(rows.view(), known, packed).output, measure_error(rows.view(), held_out, packed).output};
}

std::string cell(std::vector<double> ratios) {
  std::ranges::sort(ratios);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", ratios[ratios.size() / 2], ratios.front(), ratios.back());
}

void print_row(const Pair& pair, const OpenModel& model, const HeardTexts& texts, ThreadPool& pool) {
  const std::vector<const Weight*> matrices = heard_matrices(model, texts.known);
  std::vector<double> known, held_out;
  std::uint64_t bytes = 0, count = 0;
  std::mutex mutex;
  pool.run(matrices.size(), [&](std::size_t m) {
    const Weight& weight = *matrices[m];
    const RowLayout layout = weight.layout();
    const auto ours = texts.known.inputs.of(weight), theirs = texts.held_out.inputs.of(weight);
    if (!ours->hessian || !theirs->hessian || !find_codec(pair.weighted)->divides(layout.cols)) return;
    Matrix rows(std::min<std::size_t>(pair.rows, layout.rows / weight.experts()), layout.cols);
    model.weights.read_rows(weight, 0, rows.view());
    const Losses plain = losses(pair.plain, rows, {}, "rtn", *ours, *theirs),
                 weighted = losses(pair.weighted, rows, *ours, pair.optimizer, *ours, *theirs);
    const std::scoped_lock lock(mutex);
    bytes += find_codec(pair.weighted)->stored_bytes(rows.rows(), layout.cols);
    count += rows.rows() * layout.cols;
    known.push_back(weighted.known / plain.known);
    held_out.push_back(weighted.held_out / plain.held_out);
  });
  if (!known.empty())
    fmt::print("| {} | {} | {} | {:.3f} | {} | {} | {} |\n", pair.weighted, pair.optimizer, pair.plain,
               8.0 * static_cast<double>(bytes) / static_cast<double>(count), known.size(), cell(known),
               cell(held_out));
  std::fflush(stdout);
}

void run(const fs::path& calibration, const fs::path& evaluation, const fs::path& path,
         std::span<const char* const> formats) {
  const OpenModel model(path);
  ThreadPool pool(0);
  const HeardTexts texts(model, pool, load_text(calibration), load_text(evaluation));
  fmt::print(
      "| by importance | by | plain | bits | matrices | calibration text | other text |\n"
      "|---|---|---|--:|--:|---|---|\n");
  const auto is_asked = [&](const Pair& pair) {
    return formats.empty() || std::ranges::find(formats, std::string_view(pair.weighted)) != formats.end();
  };
  for (const Pair& pair : kPairs)
    if (is_asked(pair)) print_row(pair, model, texts, pool);
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: quern_weighted_forms CALIBRATION EVALUATION MODEL [FORMAT ...]\n");
    return 2;
  }
  try {
    quern::run(argv[1], argv[2], argv[3], std::span(argv + 4, static_cast<std::size_t>(argc - 4)));
    return 0;
  } catch (const quern::Error& error) {
    fmt::print(stderr, "quern_weighted_forms: {}\n", error.what());
    return 1;
  }
}
