// What calibration knows about the inputs of matrix products, and the file it is kept in.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/model_spec.h"

namespace quern {

// Second moments of the inputs of one matrix: the mean of x^2 over its tokens, one value a column.
struct InputMoments {
  std::vector<double> mean_square;
  std::uint64_t tokens = 0;
};

// Of one input group: of a mixture of experts one for each, over the tokens that were routed to it; else one.
struct GroupMoments {
  std::vector<InputMoments> experts;
  InputMoments pooled;  // over the tokens of all experts
};

struct Statistics {
  std::map<std::string, GroupMoments> groups;  // by Weight::group
  std::string text_name;                       // where the text came from, for people
  std::uint64_t windows = 0, window_length = 0;
};

// An expert that saw fewer tokens takes the moments of all experts of its layer: a mean of so few says more about those
// tokens than about the expert. Half a window; at 128 tokens a mean square is known to about a tenth.
inline constexpr std::uint64_t kFewestTokens = 128;

// Column weights for the error of `weight` (of one of its experts): its group's moments, or empty when there are none.
std::span<const double> moments_of(const Statistics& statistics, const Weight& weight, std::size_t expert = 0);

// Experts that take their layer's moments.
struct ThinExpert {
  std::string group;
  std::size_t expert = 0;
  std::uint64_t tokens = 0;
};
std::vector<ThinExpert> thin_experts(const Statistics& statistics);

// The moments of all experts together.
InputMoments pool_moments(const std::vector<InputMoments>& experts);

// Writes llama.cpp's importance-matrix file (GGUF: NAME.in_sum2 [experts, columns], NAME.counts [experts, 1], both
// float; layout as in its tools/imatrix). Weights carry the names of `map`. Returns the SHA-256 of the file, which
// names the statistics in plans.
std::string write_statistics(const std::filesystem::path& path, const Statistics& statistics, const ModelSpec& spec,
                             const ExportMap& map);

// Reads such a file, llama.cpp's or ours, or one of llama.cpp's older form (imatrix.dat). Weights of one group take the
// first entry found. Error(kInput) when a vector has another length than the weight has columns, holds a negative or
// non-finite value, or when no name matches the model.
Statistics read_statistics(const std::filesystem::path& path, const ModelSpec& spec, const ExportMap& map);

// The name of the text that such a file was made from, as it has it; empty: it does not say.
std::string text_of_statistics(const std::filesystem::path& path);

}  // namespace quern
