// Compresses a model so that its perplexity rises by at most 5%, and prints what was measured on a text that nothing
// else saw. docs/tasks/library.md builds it.
#include <iostream>

#include "quern/quern.h"

int main(int argc, char** argv) try {
  if (argc != 5)
    throw quern::Error(quern::ErrorCode::kUsage, "use: compress MODEL CALIBRATION_TEXT REPORT_TEXT FOLDER");
  const quern::CompressResult result = quern::compress({.input = argv[1],
                                                        .output = argv[4],
                                                        .scheme = "q4_k_m",
                                                        .calibration_text = argv[2],
                                                        .report_text = argv[3],
                                                        .bound = {.max_perplexity_increase = 0.05}});
  std::cout << result.summary << result.folder.string() << (result.accepted ? "\n" : " misses the bound\n");
  return result.accepted ? 0 : static_cast<int>(quern::ErrorCode::kQuality);
} catch (const quern::Error& error) {
  std::cerr << error.what() << '\n';
  return static_cast<int>(error.code());
}
