// The matrices and the Hessians of their inputs are sums of whole numbers or lie in the repository, so that the results
// are the same on every machine.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "format/formats.h"
#include "model/checkpoint_weights.h"
#include "optim/hessian_factor.h"
#include "optim/optimizer.h"
#include "quern/error.h"
#include "tests/ledger/ledger.h"

namespace quern {
namespace {

constexpr std::size_t kFewRows = 12, kRows = 48, kColumns = 512, kTokens = 2048, kDirections = 16;
constexpr const char* kHeader = "matrix,codec,optimizer,bytes,relative error,relative output error,sha256\n";

// Near a bell curve, in steps of 1/64: twelve dice.
float bell(Random& random) {
  std::int64_t sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<std::int64_t>(random.below(64)) - 32;
  return static_cast<float>(sum) / 64;
}

Matrix bell_matrix() {
  Random random(1);
  Matrix matrix(kRows, kColumns);
  for (float& value : matrix.flat()) value = bell(random) / 32;
  return matrix;
}

// One column in 64 is sixteen times as large, as in layers with outliers.
Matrix uneven_matrix() {
  Matrix matrix = bell_matrix();
  for (std::size_t i = 0; i < matrix.rows(); ++i)
    for (std::size_t j = 7; j < matrix.cols(); j += 64) matrix.row(i)[j] *= 16;
  return matrix;
}

// The first rows of a weight of the bundled model.
Matrix trained_matrix(const char* role) {
  const Checkpoint checkpoint = open_checkpoint(std::filesystem::path(QUERN_SOURCE_DIR) / "models" / "llama-7m");
  const ModelSpec spec = describe_model(checkpoint);
  const Weight& weight = *std::ranges::find(spec.weights, role, &Weight::role);
  Matrix matrix(kRows, weight.layout().cols);
  CheckpointWeights(checkpoint).read_rows(weight, 0, matrix.view());
  return matrix;
}

Matrix first_rows(const Matrix& matrix, std::size_t count) {
  Matrix rows(count, matrix.cols());
  std::copy_n(matrix.flat().begin(), rows.flat().size(), rows.flat().begin());
  return rows;
}

// Inputs of whole numbers, a few directions of which carry most: their products sum exactly. One column is dead.
Hessian hessian_of(std::size_t columns) {
  Random random(2);
  const auto draw = [&](std::uint64_t most) {
    return static_cast<int>(random.below(2 * most + 1)) - static_cast<int>(most);
  };
  std::vector<int> mixing(kDirections * columns), inputs(kTokens * columns);
  for (int& value : mixing) value = draw(3);
  for (std::size_t t = 0; t < kTokens; ++t) {
    int* row = &inputs[t * columns];
    for (std::size_t j = 0; j < columns; ++j) row[j] = draw(4);
    for (std::size_t k = 0; k < kDirections; ++k) {
      const int strength = draw(4);
      for (std::size_t j = 0; j < columns; ++j) row[j] += strength * mixing[k * columns + j];
    }
    row[5] = 0;
  }
  Hessian hessian{columns, kTokens, {}};
  std::vector<std::int64_t> sums(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    std::ranges::fill(sums, 0);
    for (std::size_t t = 0; t < kTokens; ++t)
      for (std::size_t j = i; j < columns; ++j) sums[j] += inputs[t * columns + i] * inputs[t * columns + j];
    for (std::size_t j = i; j < columns; ++j) hessian.upper.push_back(static_cast<float>(sums[j]) / kTokens);
  }
  return hessian;
}

InputContext context_of(std::size_t columns) {
  const Hessian hessian = hessian_of(columns);
  std::vector<double> moments;
  for (std::size_t i = 0; i < columns; ++i) moments.push_back(hessian.at(i, i));
  return input_context(moments, factorise(hessian));
}

struct Encoded {
  std::string sha256;
  EncodeError error;
  std::uint64_t bytes = 0;
};

// In tasks of so many rows as may be encoded apart, by this many threads.
Encoded encoded_by(unsigned threads, const Optimizer& optimizer, const Codec& codec, const Matrix& matrix,
                   const InputContext& inputs) {
  constexpr std::size_t kTask = 16;
  ThreadPool pool(threads);
  std::vector<PackedTensor> parts(matrix.rows() / kTask);
  pool.run(parts.size(), [&](std::size_t i) {
    const MatrixView rows{matrix.row(i * kTask).data(), kTask, matrix.cols()};
    parts[i] = PackedTensor(codec, {kTask, matrix.cols()});
    optimizer.encode(inputs, rows, parts[i]);
  });
  Encoded encoded;
  Sha256 hash;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const MatrixView rows{matrix.row(i * kTask).data(), kTask, matrix.cols()};
    encoded.error += measure_error(rows, inputs, parts[i]);
    encoded.bytes += parts[i].bytes();
    for (std::size_t p = 0; p < codec.planes.size(); ++p) hash.update(parts[i].plane(p));
  }
  if (codec.tensor_side) {
    const std::vector<std::byte> shared = codec.tensor_side->serialise();
    encoded.bytes += shared.size();
    hash.update(shared);
  }
  encoded.sha256 = hash.hex();
  return encoded;
}

std::string row_of(const char* name, const Matrix& matrix, const InputContext& inputs, const Codec& untrained,
                   const Optimizer& optimizer) {
  const std::shared_ptr<const Codec> trained = trained_on(untrained, matrix.view());
  const Codec& codec = *trained;
  const Encoded one = encoded_by(1, optimizer, codec, matrix, inputs);
  for (const unsigned threads : {2u, 4u})
    if (encoded_by(threads, optimizer, codec, matrix, inputs).sha256 != one.sha256)
      throw Error(ErrorCode::kInternal, fmt::format("{} in {} by {}: {} threads write other bytes than one", name,
                                                    codec.name, optimizer.name, threads));
  return fmt::format("{},{},{},{},{:.6e},{:.6e},{}\n", name, codec.name, optimizer.name, one.bytes,
                     one.error.relative_plain(), one.error.relative_loss(), one.sha256.substr(0, 32));
}

}  // namespace

std::string matrix_ledger() {
  struct Row {
    const char* name;
    Matrix matrix;
  };
  const Row rows[] = {{"bell", bell_matrix()},
                      {"uneven", uneven_matrix()},
                      {"llama-7m attn.q", trained_matrix("attn.q")},
                      {"llama-7m mlp.down", trained_matrix("mlp.down")}};
  std::string text = kHeader;
  // A format that searches a large codebook takes seconds for each: it stands on a few rows of the first alone.
  const Matrix few = first_rows(rows[0].matrix, kFewRows);
  for (const auto& [name, matrix] : rows) {
    const InputContext inputs = context_of(matrix.cols());
    for (const Codec* codec : codecs()) {
      if (!codec->divides(matrix.cols()) || (codec->round_rows && name != rows[0].name)) continue;
      for (const Optimizer* optimizer : optimizers())
        text += row_of(name, codec->round_rows ? few : matrix, inputs, *codec, *optimizer);
    }
  }
  return text;
}

}  // namespace quern
