// How long a compression will take on this machine: a few of its steps are timed, the rest is arithmetic.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "compress/compress_texts.h"

namespace quern {

// Seconds, with all threads of the pool.
struct WorkRates {
  std::map<std::string, double> encode;  // of a weight, by codec: read, encode, measure the error, hash
  double read = 0;                       // of a weight, as float
  double hash = 0;                       // of a byte, on one thread
  // A pass through the layers: of a weight, to lay it out and for each round of windows, one a thread.
  double layer = 0, layer_round = 0;
  // The head of two models over all of the vocabulary: once, and for each round of windows.
  double head = 0, head_round = 0;
};

// Times a few rows for each codec that `plan` or a survey of it needs, and one layer and the head on two rounds of
// windows. Without texts, or for a model that cannot run, no passes. Takes well under a second for small models, about
// as long as reading a layer and the head for large ones.
WorkRates measure_rates(const Opened& opened, const CompressTexts& texts, const Plan& plan);

// Seconds of each phase.
struct TimeForecast {
  double read = 0;       // hash the model's files and check its weights, where that comes before all else
  double calibrate = 0;  // statistics
  double survey = 0;     // what a size is chosen from
  double encode = 0;     // write the files and hash them; beside that, where they were not, the model's
  double measure = 0;    // bound and report
  double total() const { return replay() + calibrate + survey; }
  // Of the plan, with its statistics.
  double replay() const { return read + encode + measure; }
};

Json to_json(const TimeForecast& time);

// Whether a size was, or will be, chosen from matrices measured one by one, or together as well.
enum class SurveyWalks { kAlone, kTogether };
// What is to be thought before the survey.
SurveyWalks likely_walks(const Opened& opened);

TimeForecast forecast_time(const Opened& opened, const CompressTexts& texts, const Plan& plan, const WorkRates& rates,
                           SurveyWalks walks = SurveyWalks::kAlone);

// The same by rates that are measured now. Absent where the model's values do not let its steps run, which the run
// itself will explain.
std::optional<TimeForecast> expected_time(const Opened& opened, const CompressTexts& texts, const Plan& plan,
                                          SurveyWalks walks);

}  // namespace quern
