// What calibration knows about the inputs of matrix products, and the file it is kept in.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "quern/model_spec.h"

namespace quern {

// Second moments of one input group: the mean of x^2 over all tokens, one value a column.
struct InputMoments {
  std::vector<double> mean_square;
  std::uint64_t tokens = 0;
};

struct Statistics {
  std::map<std::string, InputMoments> groups;  // by Weight::group
  std::string text_name;                       // where the text came from, for people
  std::uint64_t windows = 0, window_length = 0;
};

// Column weights for the error of `weight`: its group's moments, or empty when there are none.
std::span<const double> moments_of(const Statistics& statistics, const Weight& weight);

// Writes llama.cpp's importance-matrix file (GGUF: NAME.in_sum2 [columns], NAME.counts [1], both float; layout as in
// its tools/imatrix). Weights carry the names of `map`. Returns the SHA-256 of the file, which names the statistics in
// plans.
std::string write_statistics(const std::filesystem::path& path, const Statistics& statistics, const ModelSpec& spec,
                             const ExportMap& map);

// Reads such a file, llama.cpp's or ours. Weights of one group take the first entry found. Error(kInput) when a vector
// has another length than the weight has columns, holds a negative or non-finite value, or when no name matches the
// model.
Statistics read_statistics(const std::filesystem::path& path, const ModelSpec& spec, const ExportMap& map);

}  // namespace quern
