// For tests: the tiny models of testdata/runtime, and a package of one.
#pragma once

#include "base/random.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "compress/compress.h"
#include "measure/evaluate.h"
#include "runtime/open_model.h"
#include "tokenizer/texts.h"

namespace quern {

inline std::filesystem::path tiny(const char* name) { return std::filesystem::path(QUERN_TESTDATA) / "runtime" / name; }

inline Windows random_windows(std::size_t count, std::size_t length) {
  Random random(6);
  Windows windows{length, {}};
  for (std::size_t i = 0; i < count * length; ++i) windows.ids.push_back(static_cast<std::int32_t>(random.below(96)));
  return windows;
}

// int8 safetensors, without any text, whatever the input is stored in.
inline Report compress_tiny(const std::filesystem::path& input, const std::filesystem::path& output,
                            OutputFolder::Existing existing = OutputFolder::Existing::kRefuse) {
  CompressOptions options;
  options.input = input;
  options.output = output;
  options.machine.threads = 2;
  options.existing = existing;
  options.requantize = CompressOptions::Requantize::kAllow;
  options.larger = CompressOptions::Larger::kAllow;
  Observer observer;
  return compress(options, observer);
}

// Mean divergence of b from a, in nats, on windows of random tokens.
inline double divergence(const std::filesystem::path& a, const std::filesystem::path& b) {
  const OpenModel original(a), candidate(b);
  ThreadPool pool(2);
  Observer observer;
  const Windows windows = random_windows(2, 24);
  const WalkContext walk = original.walk(pool, Precision::kF32), other = candidate.walk(pool, Precision::kF32);
  const ActivationStore rows = final_hidden(walk, windows, 1 << 24, observer),
                        other_rows = final_hidden(other, windows, 1 << 24, observer);
  return summarise(compare(walk, rows, other, other_rows, windows)).mean_kld.value;
}

// Message of the Error of this code that `body` throws; "" when there is none.
template <typename Body>
std::string message_of(ErrorCode code, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

inline void expect_parts(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

}  // namespace quern
