// The scheme's word, then the first of its substitutes that fits, then the container's next larger codec.
#include "plan/choice.h"

#include <algorithm>

#include "base/fail.h"
#include "codec/codec.h"
#include "format/formats.h"
#include "plan/better_codec.h"

namespace quern {
namespace {

constexpr double kKeptBits = 16;

bool fits(const FitInput& in, const std::string& name, std::uint64_t cols) {
  const Codec* codec = find_codec(name);
  return in.format.holds(name, cols) && (!codec || (codec->divides(cols) && !is_outweighed(*codec, in.weight))) &&
         why_refused(in, name).empty();
}

bool keeps_its_bits(const FitInput& in, const std::string& wanted, std::uint64_t cols) {
  const Codec* own = find_codec(in.source_encoding);
  return is_plain(own) && own->bits_per_weight == kKeptBits && !why_refused(in, wanted).empty() &&
         fits(in, own->name, cols);
}

std::string fitting(const FitInput& in, const std::string& wanted, std::uint64_t cols) {
  if (keeps_its_bits(in, wanted, cols)) return std::string(in.source_encoding);
  std::string name = wanted;
  for (std::size_t hops = 0; !fits(in, name, cols); ++hops) {
    const char* next = in.scheme.substitute_for(name);
    if (!next) break;
    ensure(hops < 16, "the substitutes of scheme {} go in a circle at {}", in.scheme.name, name);
    name = next;
  }
  if (fits(in, name, cols)) return name;
  const Codec* larger = find_codec(wanted);
  while (larger && !fits(in, larger->name, cols)) larger = next_better_codec(*larger, in.format, cols);
  if (larger) return larger->name;
  fail(ErrorCode::kInfeasible, "no number format of {} holds rows of {} ({})", in.format.name, cols, in.weight.tensor);
}

// What the scheme packs some matrices in, and the container holds.
bool holds_some_of(const FitInput& in) {
  return std::ranges::any_of(in.scheme.rules, [&](const SchemeRule& rule) {
    return !is_plain(find_codec(rule.codec)) && in.format.holds(rule.codec, 0);
  });
}

// In a container that holds a part of what the scheme names, the first substitute that it holds, or the source's own 16
// bits; null: it holds none.
const char* held_instead(const FitInput& in, const std::string& wanted) {
  if (in.format.holds(wanted, 0) || !holds_some_of(in)) return nullptr;
  const char* next = in.scheme.substitute_for(wanted);
  for (std::size_t hops = 0; next && !in.format.holds(next, 0) && hops < 16; ++hops)
    next = in.scheme.substitute_for(next);
  const Codec* own = find_codec(in.source_encoding);
  const bool stays = is_plain(own) && own->bits_per_weight == kKeptBits && in.format.holds(own->name, 0);
  return next && stays ? own->name : next;
}

// "; use `format` gguf", or nothing when no container holds it.
std::string container_of(const FitInput& in, const std::string& wanted) {
  for (const Format* format : formats())
    if (format->is_written() && format->name != std::string_view(in.format.name) && format->holds(wanted, 0))
      return fmt::format("; use `format` {}", format->name);
  return "";
}

}  // namespace

bool is_plain(const Codec* codec) {
  return codec && codec->side_bytes == 0 && codec->block == 0 && (codec->plain || !codec->train);
}

bool holds_exactly(const Codec* codec, std::string_view encoding) {
  if (!is_plain(codec)) return false;
  const std::string_view floats = plain_codec(*codec).name;
  return floats == plain_encoding(encoding) || (floats == kFloat32 && encoding != "f64");
}

bool is_outweighed(const Codec& codec, const Weight& weight) {
  const RowsOfWeight rows = rows_of(weight);
  const std::uint64_t codes = codec.stripes(rows.rows) * codec.row_bytes(rows.cols);
  return codec.train && codec.stored_bytes(rows.rows, rows.cols) > 2 * codes;
}

std::string why_refused(const Format& format, const Weight& weight, const ExportedWeight& output,
                        std::string_view codec) {
  if (is_plain(find_codec(codec))) return {};
  if (output.is_transposed(weight)) return "it is stored as inputs by outputs, which is packed nowhere";
  const std::size_t axes = output.output_shape(weight).size();
  const char* why = format.refuses ? format.refuses(codec, output.name, axes) : nullptr;
  return why ? why : "";
}

std::string why_refused(const FitInput& in, std::string_view codec) {
  return in.output ? why_refused(in.format, in.weight, *in.output, codec) : std::string();
}

CodecChoice fit_codec(const FitInput& in, const std::string& wanted, const std::string& asker) {
  if (const char* instead = held_instead(in, wanted)) {
    CodecChoice choice = fit_codec(in, instead, asker);
    choice.reason += fmt::format("; {} does not hold {}", in.format.name, wanted);
    return choice;
  }
  if (!in.format.holds(wanted, 0))
    fail(ErrorCode::kInfeasible, "{} needs the number format {}, which {} cannot hold{}", asker, wanted, in.format.name,
         container_of(in, wanted));
  const std::uint64_t cols = rows_of(in.weight).cols;
  CodecChoice choice{fitting(in, wanted, cols), fmt::format("{} of {}", in.weight.role, asker), ""};
  if (choice.codec == wanted) return choice;
  if (const std::string why = why_refused(in, wanted); !why.empty()) {
    choice.reason += fmt::format("; in {} {}", in.format.name, why);
    choice.note =
        fmt::format("{}: {} instead of {} in {}: {}", in.weight.tensor, choice.codec, wanted, in.format.name, why);
    return choice;
  }
  if (const Codec* codec = find_codec(wanted); codec && is_outweighed(*codec, in.weight)) {
    choice.reason += fmt::format("; the codebook of {} would be larger than its codes", wanted);
    choice.note = fmt::format("{}: {} instead of {}, whose codebook would be larger than its codes", in.weight.tensor,
                              choice.codec, wanted);
    return choice;
  }
  choice.reason += fmt::format("; rows of {} do not fit {}", cols, wanted);
  choice.note = fmt::format("{}: {} instead of {}, since its rows of {} do not fit that number format in {}",
                            in.weight.tensor, choice.codec, wanted, cols, in.format.name);
  return choice;
}

CodecChoice choose_codec(const FitInput& in, const WeightSite& site) {
  return fit_codec(in, in.scheme.codec_for(site), fmt::format("scheme {}", in.scheme.name));
}

std::string kept_encoding(const FitInput& in, std::string_view source_encoding) {
  if (in.scheme.family->kept && in.format.holds(in.scheme.family->kept, 0)) return in.scheme.family->kept;
  if (in.format.vector_encoding) return in.format.vector_encoding;
  // What is computed anew has no precision of its own yet, and not every container holds what the source is stored in.
  const bool is_new = in.output && in.output->transform != ExportedWeight::Transform::kNone;
  const bool is_only_read = !find_codec(source_encoding) && find_decoder(source_encoding);
  return is_new || is_only_read || !in.format.holds(source_encoding, 0) ? kFloat32 : std::string(source_encoding);
}

}  // namespace quern
