// quern_held_out CALIBRATION EVALUATION MODEL...: tr(D H D^T) of error feedback over that of weighted rounding, H of
// windows that neither saw; the median over the matrices of each model, for every codec that is not exact on them.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bench/heard_texts.h"
#include "encode/tensor_encoding.h"
#include "optim/optimizer.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRows = 64;  // of each matrix, or of its first expert

double loss(const Optimizer& optimizer, const Codec& codec, const Matrix& rows, const InputContext& known,
            const InputContext& held_out) {
  PackedTensor packed(codec, {rows.rows(), rows.cols()});
  optimizer.encode(known, rows.view(), packed);
  return measure_error(rows.view(), held_out, packed).output;
}

// Of each codec the ratios of all matrices.
std::map<const Codec*, std::vector<double>> ratios_of(const OpenModel& model, const Heard& known, const Heard& held_out,
                                                      ThreadPool& pool) {
  const std::vector<const Weight*> matrices = heard_matrices(model, known);
  std::vector<std::map<const Codec*, double>> of_matrices(matrices.size());
  pool.run(matrices.size(), [&](std::size_t m) {
    const Weight& weight = *matrices[m];
    const RowLayout layout = weight.layout();
    Matrix rows(std::min<std::size_t>(kRows, layout.rows / weight.experts()), layout.cols);
    model.weights.read_rows(weight, 0, rows.view());
    const auto ours = known.inputs.of(weight), theirs = held_out.inputs.of(weight);
    if (!ours->hessian || !theirs->hessian) return;
    for (const Codec* codec : codecs()) {
      if (!codec->divides(layout.cols) || wants_measuring(*codec)) continue;
      const double rounded = loss(find_optimizer("weighted"), *codec, rows, *ours, *theirs);
      if (rounded > 0)
        of_matrices[m][codec] =
            loss(best_optimizer(Optimizer::Needs::kHessian), *codec, rows, *ours, *theirs) / rounded;
    }
  });
  std::map<const Codec*, std::vector<double>> ratios;
  for (const auto& of_matrix : of_matrices)
    for (const auto& [codec, ratio] : of_matrix) ratios[codec].push_back(ratio);
  return ratios;
}

std::map<const Codec*, std::vector<double>> measured(const fs::path& path, const std::string& calibration,
                                                     const std::string& evaluation) {
  const OpenModel model(path);
  ThreadPool pool(0);
  const HeardTexts texts(model, pool, calibration, evaluation);
  return ratios_of(model, texts.known, texts.held_out, pool);
}

std::string cell(std::vector<double> ratios) {
  if (ratios.empty()) return "exact";
  std::ranges::sort(ratios);
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", ratios[ratios.size() / 2], ratios.front(), ratios.back());
}

void run(const std::vector<fs::path>& paths) {
  const std::string calibration = load_text(paths[0]), evaluation = load_text(paths[1]);
  std::vector<std::map<const Codec*, std::vector<double>>> models;
  std::string head = "| codec |", line = "|---|";
  for (std::size_t i = 2; i < paths.size(); ++i) {
    models.push_back(measured(paths[i], calibration, evaluation));
    head += fmt::format(" {} |", paths[i].filename().string());
    line += "---|";
  }
  fmt::print("{}\n{}\n", head, line);
  for (const Codec* codec : codecs()) {
    if (wants_measuring(*codec)) continue;
    std::string row = fmt::format("| {} |", codec->name);
    for (auto& ratios : models) row += " " + cell(ratios[codec]) + " |";
    fmt::print("{}\n", row);
  }
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: quern_held_out CALIBRATION EVALUATION MODEL...\n");
    return 2;
  }
  try {
    quern::run({argv + 1, argv + argc});
    return 0;
  } catch (const quern::Error& error) {
    fmt::print(stderr, "quern_held_out: {}\n", error.what());
    return 1;
  }
}
