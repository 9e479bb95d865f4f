// A scheme, or its substitute for sources that its container does not suit.
#include "compress/scheme_choice.h"

#include "base/fail.h"
#include "format/formats.h"
#include "package/package.h"
#include "plan/choice.h"

namespace quern {
namespace {

// The first matrix that the scheme would pack and the container cannot, with the reason; empty: there is none.
std::string first_refused(const Scheme& scheme, const OpenModel& source) {
  const Format& format = find_format(scheme.format);
  const ExportMap names = export_map(source, format);
  for (const ExportedWeight& exported : names.weights) {
    const Weight& weight = source.spec.weights[exported.weight];
    if (keeps_precision(weight)) continue;
    const std::string encoding = source.weights.stored(weight).encoding;
    const FitInput fit{scheme, format, weight, &exported, encoding};
    const std::string why = why_refused(fit, scheme.codec_for({weight, source.spec, encoding}));
    if (!why.empty()) return fmt::format("{} cannot be packed in {}: {}", exported.name, format.name, why);
  }
  return {};
}

// Why the model cannot be written to the container; empty: it can.
std::string why_not_exportable(const OpenModel& source, const Format& format) {
  try {
    export_map(source, format);
    return {};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInfeasible) throw;
    return error.what();
  }
}

// A container that cannot hold the scheme sends people to the scheme's own, which may not hold the model.
void check_one_container_holds(const Scheme& scheme, const Format& format, const OpenModel& source) {
  if (format.holds(scheme.codec, 0)) return;
  try {
    export_map(source, find_format(scheme.format));
  } catch (const Error& error) {
    fail(error.code(), "{} cannot hold the scheme {}, and {}", format.name, scheme.name, error.what());
  }
}

}  // namespace

SchemeChoice choose_scheme(const std::string& name, const std::string& format, const OpenModel& source) {
  const Scheme& scheme = find_scheme(name);
  if (const Format* known = format.empty() ? nullptr : &find_format(format); known && known->is_written())
    check_one_container_holds(scheme, *known, source);
  if (!scheme.substitute || !format.empty()) return {&scheme, {}};
  const Scheme& substitute = find_scheme(scheme.substitute);
  if (const std::string why = why_not_exportable(source, find_format(scheme.format)); !why.empty())
    return {&substitute, fmt::format("{} instead of {}, which cannot be written from a {} model: {}", substitute.name,
                                     scheme.name, source.checkpoint.format(), why)};
  const std::string refused = first_refused(scheme, source);
  if (refused.empty() || !why_not_exportable(source, find_format(substitute.format)).empty()) return {&scheme, {}};
  return {&substitute, fmt::format("{} instead of {}, since {}", substitute.name, scheme.name, refused)};
}

}  // namespace quern
