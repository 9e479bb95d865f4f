// What `compress` would make of a model: the plan, its exact size, and what is to be expected of it, without making it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "compress/opened.h"
#include "forecast/time_forecast.h"
#include "plan/prediction.h"
#include "report/tensor_facts.h"
#include "runtime/memory_estimate.h"

namespace quern {

// A point of the curve of size and quality.
struct Alternative {
  std::uint64_t bytes = 0;  // of the model's files
  Prediction quality;
};

struct QualityForecast {
  Prediction quality;
  double original_perplexity = 0;  // on the text below
  TextUse text;
  std::vector<Alternative> alternatives;  // rising in bytes; the plan itself is one of them
};

// A tensor that is planned, with what was measured of it.
struct ForecastTensor {
  PlanStep step;
  TensorFacts facts;                // without a text nothing is measured
  std::vector<StepOption> options;  // what was measured of each number format; empty without a text
};

struct Forecast {
  Plan plan;
  std::string architecture, source_format;
  std::uint64_t parameters = 0, source_bytes = 0;
  std::uint64_t model_bytes = 0;           // of what a runtime needs; exact but for estimate_note
  std::vector<ForecastTensor> tensors;     // of the plan, in file order
  std::optional<QualityForecast> quality;  // absent without a text
  std::optional<MemoryEstimate> memory;    // to run the result; absent where no architecture recognises the model
  std::uint64_t memory_to_compress = 0;    // at most
  std::string memory_reason;               // why so many; empty: they were asked for
  std::uint64_t expected_memory = 0;       // to compress
  SurveyWalks survey = SurveyWalks::kAlone;
  std::optional<TimeForecast> time;  // of compress with the same options
  std::vector<std::string> notes;
};

// Where statistics are kept.
struct KeptStatistics {
  NewFile* moments = nullptr;    // takes the importance matrix; null: nobody keeps it
  std::filesystem::path folder;  // takes all, in a new folder; empty: nobody keeps them
};

// Collects statistics and measures matrices as compress would, so that the plan is the one that compress would make.
// With a text (calibration or gate) quality is predicted. Error(kUsage) when there are no statistics to keep. Writes
// nothing else but scratch files in the system's folder for them: the model's files in one or a few plans where those
// have to be measured whole.
Forecast forecast(const Opened& opened, const KeptStatistics& kept);
// The same with texts that were read, by GateText::kWhereGiven; and its refusal of statistics that are not there.
Forecast forecast(const Opened& opened, const CompressTexts& texts, const KeptStatistics& kept);
void check_kept(const Opened& opened, const KeptStatistics& kept);

// The plan as `compress --plan` reads it, and the member "forecast".
Json to_json(const Forecast& forecast);

}  // namespace quern
