// quern_rate_distortion TEXT MODEL [CODEC...]: what every number format, or these, loses for its bits, as lines of
// comma-separated values.
//
// Relative squared errors of a bell curve, of Student's t with 5 degrees of freedom (a million weights of each) and of
// the matrices of the model, rounded to nearest without any statistics; the divergence of the model with all its
// matrices in the format. Bits are those of the encoded bytes, with everything that a tensor brings along.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/random.h"
#include "encode/weight_rows.h"
#include "measure/evaluate.h"
#include "model/replaced_weights.h"
#include "quern/error.h"
#include "runtime/open_model.h"
#include "tokenizer/texts.h"
#include "vocabulary/load_tokenizer.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRows = 480, kCols = 2304;  // a multiple of every vector and every block
constexpr std::size_t kSearchedRows = 96;         // of formats that look for a seed of each block: they take minutes
constexpr std::size_t kWindows = 20, kWindow = 512;
constexpr std::uint64_t kMemory = std::uint64_t{1} << 30;
constexpr double kSigma = 0.02;

Matrix bell() {
  Random random(1);
  Matrix matrix(kRows, kCols);
  for (float& value : matrix.flat()) value = static_cast<float>(kSigma * random.normal());
  return matrix;
}

Matrix students_t() {
  Random random(2);
  Matrix matrix(kRows, kCols);
  for (float& value : matrix.flat()) {
    double chi = 0;
    for (int i = 0; i < 5; ++i) chi += std::pow(random.normal(), 2);
    value = static_cast<float>(kSigma * random.normal() / std::sqrt(chi / 5));
  }
  return matrix;
}

MatrixView first_rows(const Matrix& matrix, std::size_t rows) {
  return {matrix.view().data, rows, matrix.cols(), matrix.cols()};
}

struct Measured {
  double bits = 0, error = 0;
};

Measured measured(const Codec& codec, MatrixView rows) {
  const PackedTensor packed = encode_tensor(codec, rows);
  const EncodeError error = measure_error(rows, {}, packed);
  return {8.0 * static_cast<double>(packed.bytes()) / static_cast<double>(rows.rows * rows.cols),
          error.relative_plain()};
}

// The model on a text, and what stands in for some of its weights.
class Measurement {
 public:
  Measurement(const fs::path& text, const fs::path& path)
      : model_(path), pool_(0), windows_(cut(text)), rows_(hidden(model_.weights)) {}

  struct OfModel {
    double bits = 0, error = 0, kld = 0;  // error: the median of the matrices
  };

  OfModel of(const Codec& codec) {
    ReplacedWeights replaced(model_.weights);
    std::vector<double> errors;
    double bytes = 0, weights = 0;
    for (const Weight& weight : model_.spec.weights) {
      if (weight.axes.size() < 2 || !codec.divides(weight.layout().cols) || weight.group.empty()) continue;
      PackedTensor packed = encode_in_memory(model_.weights, weight, codec, find_optimizer("rtn"), {}, pool_);
      errors.push_back(measure_error(model_.weights.read(weight).view(), {}, packed).relative_plain());
      bytes += static_cast<double>(packed.bytes());
      weights += static_cast<double>(weight.elements());
      replaced.replace(weight.tensor, std::move(packed));
    }
    if (errors.empty()) return {};
    std::ranges::nth_element(errors, errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2));
    const WalkContext original = walk(model_.weights), candidate = walk(replaced);
    const double kld = mean_kld(compare(original, rows_, candidate, hidden(replaced), windows_));
    return {8 * bytes / weights, errors[errors.size() / 2], kld};
  }

 private:
  Windows cut(const fs::path& text) const {
    return make_windows(load_tokenizer(model_.checkpoint), load_text(text), kWindow, kWindows);
  }
  WalkContext walk(const Weights& weights) { return {model_.spec, weights, pool_, Precision::kF32}; }
  ActivationStore hidden(const Weights& weights) {
    Observer observer;
    return final_hidden(walk(weights), windows_, kMemory, observer);
  }

  const OpenModel model_;
  ThreadPool pool_;
  const Windows windows_;
  const ActivationStore rows_;
};

void run(const fs::path& text, const fs::path& model, const std::vector<std::string>& names) {
  const Matrix gauss = bell(), student = students_t();
  Measurement measurement(text, model);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  fmt::print("codec,bits,bell,student,model bits,model,kld\n");
  for (const Codec* codec : codecs()) {
    if (!names.empty() && std::ranges::find(names, codec->name) == names.end()) continue;
    const std::size_t rows = codec->round_rows ? kSearchedRows : kRows;
    const Measured b = measured(*codec, first_rows(gauss, rows)), t = measured(*codec, first_rows(student, rows));
    const Measurement::OfModel m = measurement.of(*codec);
    fmt::print("{},{:.4f},{:.4e},{:.4e},{:.4f},{:.4e},{:.4e}\n", codec->name, b.bits, b.error, t.error, m.bits, m.error,
               m.kld);
  }
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: quern_rate_distortion TEXT MODEL [CODEC...]\n");
    return 2;
  }
  try {
    quern::run(argv[1], argv[2], {argv + 3, argv + argc});
    return 0;
  } catch (const quern::Error& error) {
    fmt::print(stderr, "quern_rate_distortion: {}\n", error.what());
    return 1;
  }
}
