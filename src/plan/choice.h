// Which number format one weight gets, by name: the scheme's word, or a precision map's, fitted to the rows and the
// container. The formats named need not be built into this program.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "codec/codec.h"
#include "plan/scheme.h"

namespace quern {

struct CodecChoice {
  std::string codec;
  std::string reason;
  std::string note;  // what a person should know; empty: nothing
};

// A weight's own rows in one container.
struct FitInput {
  const Scheme& scheme;
  const Format& format;
  const Weight& weight;
  const ExportedWeight* output = nullptr;  // its tensor in the container; null: a matrix that any format of it suits
  std::string_view source_encoding = {};
};

// Whether each weight has a code of its own meaning, as in floats; null: no.
bool is_plain(const Codec* codec);

// Whether every number of the encoding comes back from the codec bit by bit. Floats of 32 bits hold all that decode to
// them.
bool holds_exactly(const Codec* codec, std::string_view encoding);

// Whether what all rows share, a codebook, would take more bytes than their codes.
bool is_outweighed(const Codec& codec, const Weight& weight);

// Why the tensor cannot have this number format in the container, whatever its rows, as a sentence; empty: it can.
std::string why_refused(const Format& format, const Weight& weight, const ExportedWeight& output,
                        std::string_view codec);
// Empty as well where the tensor is not known.
std::string why_refused(const FitInput& in, std::string_view codec);

// The scheme's choice for a matrix, fitted.
CodecChoice choose_codec(const FitInput& in, const WeightSite& site);

// `wanted`, or where rows do not divide into its blocks what the scheme puts in its place, or else the next larger
// codec of the container. A tensor that cannot be packed there keeps the 16 bits that it has, or takes the scheme's.
// Error(kInfeasible) when the container cannot hold `wanted` at all; `asker` says who wants it
// ("scheme q4_k_m").
CodecChoice fit_codec(const FitInput& in, const std::string& wanted, const std::string& asker);

// Encoding of a weight that keeps_precision().
std::string kept_encoding(const FitInput& in, std::string_view source_encoding);

}  // namespace quern
