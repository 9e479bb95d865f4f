// A section for each kind of operation, the table of their rows, and who asks it.
#include "model/op_traits.h"

#include <algorithm>
#include <tuple>
#include <type_traits>
#include <variant>

#include "base/fail.h"

namespace quern {
namespace {

// A column of the table. It has no default: what holds for the other kinds need not hold for a new one.
template <typename T>
struct Said {
  T value;

  template <typename Given>
  constexpr Said(Given given) : value(given) {}
};

enum class Takes { kTokens, kValues };
enum class Length { kPositions, kAny };

template <typename Kind>
struct OpTraits {
  Said<const char*> name;
  Said<Json::Object (*)(const Kind&)> fields;
  Said<Takes> takes;
  Said<std::uint64_t (*)(const Kind&, const OpSite&)> width;
  Said<StateSize (*)(const Kind&, const OpSite&, std::uint64_t positions)> state;
  Said<Length> length;
  Said<std::uint64_t (*)(const Kind&, const OpSite&)> scratch;
  Said<std::uint64_t (*)(const Kind&, const OpSite&, std::uint64_t tokens)> multiply_adds;
  Said<Share (*)(const Kind&)> read;
  Said<Heard> heard;
  Said<std::optional<DecayWeight> (*)(const Kind&)> decay;
  Said<std::vector<BoundAxes> (*)(const Kind&, const OpSite&)> axes;
};

using Axes = std::vector<BoundAxes>;

constexpr auto kNoFields = [](const auto&) { return Json::Object{}; };
constexpr auto kSameWidth = [](const auto&, const OpSite& at) { return at.widths.at(0); };
constexpr auto kNoState = [](const auto&, const OpSite&, std::uint64_t) { return StateSize{}; };
constexpr auto kNoScratch = [](const auto&, const OpSite&) -> std::uint64_t { return 0; };
constexpr auto kNoProducts = [](const auto&, const OpSite&, std::uint64_t) -> std::uint64_t { return 0; };
constexpr auto kAll = [](const auto&) { return Share{1, 1}; };
constexpr auto kRowsAlone = [](const auto&) { return Share{0, 1}; };
constexpr auto kNoDecay = [](const auto&) { return std::optional<DecayWeight>(); };

AxisRun input(std::size_t i, std::uint64_t unit = 1) { return {.of = AxisRun::Of::kInput, .index = i, .unit = unit}; }
AxisRun output(std::uint64_t unit = 1) { return {.of = AxisRun::Of::kOutput, .unit = unit}; }
AxisRun weight(std::size_t i, std::size_t axis) { return {.of = AxisRun::Of::kWeight, .index = i, .axis = axis}; }
AxisRun part(AxisRun run, std::uint64_t first, std::uint64_t count) {
  run.first = first;
  run.count = count;
  return run;
}

// Axis 0 of the weights that are there from the first one on: a matrix and its bias, a norm's gain and bias.
BoundAxes with_weights(BoundAxes axes, const OpSite& at) {
  for (std::size_t i = 0; i < at.op.weights.size(); ++i) axes.push_back(weight(i, 0));
  return axes;
}

constexpr OpTraits<EmbedOp> kEmbed = {
    .name = "embed",
    .fields = kNoFields,
    .takes = Takes::kTokens,
    .width = [](const EmbedOp&, const OpSite& at) { return at.weight(0).axes.at(1).extent; },
    .state = kNoState,
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = kNoProducts,
    .read = kRowsAlone,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = [](const EmbedOp&, const OpSite&) { return Axes{{weight(0, 1), output()}}; },
};

constexpr OpTraits<PositionsOp> kPositions = {
    .name = "positions",
    .fields = kNoFields,
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = kNoState,
    .length = Length::kPositions,
    .scratch = kNoScratch,
    .multiply_adds = kNoProducts,
    .read = kRowsAlone,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = [](const PositionsOp&, const OpSite&) { return Axes{{weight(0, 1), input(0), output()}}; },
};

// Each run of `width` columns shares the gain, so that only whole runs can go.
Axes norm_axes(const RmsNormOp& op, const OpSite& at) {
  if (op.width) return {{input(0, op.width), output(op.width)}};
  return {with_weights({input(0), output()}, at)};
}

constexpr OpTraits<RmsNormOp> kRmsNorm = {
    .name = "rms_norm",
    .fields =
        [](const RmsNormOp& op) {
          Json::Object out{{"epsilon", op.epsilon}};
          if (op.width) out.emplace_back("width", op.width);
          return out;
        },
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = kNoState,
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = kNoProducts,
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = norm_axes,
};

constexpr OpTraits<LayerNormOp> kLayerNorm = {
    .name = "layer_norm",
    .fields = [](const LayerNormOp& op) { return Json::Object{{"epsilon", op.epsilon}}; },
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = kNoState,
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = kNoProducts,
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = [](const LayerNormOp&, const OpSite& at) { return Axes{with_weights({input(0), output()}, at)}; },
};

constexpr OpTraits<LinearOp> kLinear = {
    .name = "linear",
    .fields = kNoFields,
    .takes = Takes::kValues,
    .width = [](const LinearOp&, const OpSite& at) { return at.weight(0).axes.at(0).extent; },
    .state = kNoState,
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = [](const LinearOp&, const OpSite& at,
                        std::uint64_t tokens) { return tokens * at.weight(0).elements(); },
    .read = kAll,
    .heard = Heard::kInput,
    .decay = kNoDecay,
    .axes = [](const LinearOp&,
               const OpSite& at) { return Axes{with_weights({output()}, at), {weight(0, 1), input(0)}}; },
};

constexpr OpTraits<SliceOp> kSlice = {
    .name = "slice",
    .fields = [](const SliceOp& op) { return Json::Object{{"first", op.first}, {"width", op.width}}; },
    .takes = Takes::kValues,
    .width = [](const SliceOp& op, const OpSite&) { return std::uint64_t{op.width}; },
    .state = kNoState,
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = kNoProducts,
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = [](const SliceOp& op, const OpSite&) { return Axes{{part(input(0), op.first, op.width), output()}}; },
};

Json::Object rope_fields(const RopeOp& op) {
  Json frequencies = Json::array();
  for (const double frequency : op.inverse_frequencies) frequencies.push_back(frequency);
  return {{"head_dim", op.head_dim},
          {"pairing", op.pairing == RopeOp::Pairing::kHalves ? "halves" : "neighbours"},
          {"inverse_frequencies", std::move(frequencies)}};
}

constexpr OpTraits<RopeOp> kRope = {
    .name = "rope",
    .fields = rope_fields,
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = kNoState,
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = kNoProducts,
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = [](const RopeOp& op, const OpSite&) { return Axes{{input(0, op.head_dim), output(op.head_dim)}}; },
};

// Scores and weighted sums of all that each token sees.
std::uint64_t attention_products(const AttentionOp& op, const OpSite&, std::uint64_t tokens) {
  const std::uint64_t growing = op.window ? std::min<std::uint64_t>(op.window, tokens) : tokens;
  const std::uint64_t seen = growing * (growing + 1) / 2 + (tokens - growing) * op.window;
  return 2 * std::uint64_t{op.heads} * op.head_dim * seen;
}

// Queries that share their keys go with them.
Axes attention_axes(const AttentionOp& op, const OpSite&) {
  const std::uint64_t keys = op.head_dim, queries = keys * (op.heads / op.kv_heads);
  return {{input(0, queries), input(1, keys), input(2, keys), output(queries)}};
}

constexpr OpTraits<AttentionOp> kAttention = {
    .name = "attention",
    .fields =
        [](const AttentionOp& op) {
          return Json::Object{{"heads", op.heads},
                              {"kv_heads", op.kv_heads},
                              {"head_dim", op.head_dim},
                              {"scale", op.scale},
                              {"window", op.window}};
        },
    .takes = Takes::kValues,
    .width = [](const AttentionOp& op, const OpSite&) { return std::uint64_t{op.heads} * op.head_dim; },
    .state =
        [](const AttentionOp& op, const OpSite&, std::uint64_t positions) {
          const std::uint64_t each = 2 * std::uint64_t{op.kv_heads} * op.head_dim;
          return StateSize{.keys_and_values = each * kept_positions(op, positions)};
        },
    .length = Length::kPositions,
    .scratch = kNoScratch,
    .multiply_adds = attention_products,
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = attention_axes,
};

constexpr OpTraits<CausalConvOp> kCausalConv = {
    .name = "causal_conv",
    .fields = [](const CausalConvOp& op) { return Json::Object{{"kernel", op.kernel}}; },
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = [](const CausalConvOp& op, const OpSite& at,
                std::uint64_t) { return StateSize{.recurrent = (op.kernel - 1) * at.weight(0).axes.at(0).extent}; },
    .length = Length::kAny,
    .scratch = kNoScratch,
    .multiply_adds = [](const CausalConvOp&, const OpSite& at,
                        std::uint64_t tokens) { return tokens * at.weight(0).elements(); },
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = kNoDecay,
    .axes = [](const CausalConvOp&, const OpSite& at) { return Axes{with_weights({input(0), output()}, at)}; },
};

constexpr OpTraits<SelectiveScanOp> kSelectiveScan = {
    .name = "selective_scan",
    .fields =
        [](const SelectiveScanOp& op) {
          const bool log = op.decay == SelectiveScanOp::Decay::kLog;
          return Json::Object{{"state", op.state}, {"decay", log ? "log" : "negated"}};
        },
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = [](const SelectiveScanOp& op, const OpSite& at,
                std::uint64_t) { return StateSize{.recurrent = op.state * at.weight(0).axes.at(0).extent}; },
    .length = Length::kAny,
    .scratch = kNoScratch,
    // Each number of a state decays, takes in x, and is read.
    .multiply_adds = [](const SelectiveScanOp&, const OpSite& at,
                        std::uint64_t tokens) { return 3 * tokens * at.weight(0).elements(); },
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = [](const SelectiveScanOp& op) { return std::optional(DecayWeight{0, op.decay}); },
    .axes =
        [](const SelectiveScanOp&, const OpSite& at) {
          return Axes{with_weights({input(0), input(1), output()}, at), {weight(0, 1), input(2), input(3)}};
        },
};

constexpr OpTraits<SharedStepScanOp> kSharedStepScan = {
    .name = "shared_step_scan",
    .fields = [](const SharedStepScanOp& op) { return Json::Object{{"state", op.state}}; },
    .takes = Takes::kValues,
    .width = kSameWidth,
    .state = [](const SharedStepScanOp& op, const OpSite&, std::uint64_t) { return StateSize{.recurrent = op.state}; },
    .length = Length::kAny,
    .scratch = kNoScratch,
    // Each number of the state decays and takes in its input.
    .multiply_adds = [](const SharedStepScanOp& op, const OpSite&,
                        std::uint64_t tokens) { return 2 * tokens * op.state; },
    .read = kAll,
    .heard = Heard::kNothing,
    .decay = [](const SharedStepScanOp&) { return std::optional(DecayWeight{0, SelectiveScanOp::Decay::kLog}); },
    // The columns of dt are averaged, so that nothing else goes with them.
    .axes = [](const SharedStepScanOp&, const OpSite& at) { return Axes{with_weights({input(0), output()}, at)}; },
};

// Gathered rows, gate, up and their product, of all the experts that a token passes.
std::uint64_t experts_scratch(const ExpertsOp& op, const OpSite& at) {
  const std::uint64_t inner = at.weight(at.op.weights.size() - 1).axes.at(2).extent;
  return op.used * (at.widths.at(0) + 4 * inner);
}

std::uint64_t experts_products(const ExpertsOp& op, const OpSite& at, std::uint64_t tokens) {
  std::uint64_t of_expert = 0;
  for (std::size_t i = 0; i < at.op.weights.size(); ++i) of_expert += at.weight(i).elements() / op.experts;
  return tokens * op.used * of_expert;
}

Axes experts_axes(const ExpertsOp& op, const OpSite& at) {
  const std::size_t down = at.op.weights.size() - 1;
  const std::uint64_t width = at.weight(down).axes.at(2).extent;
  BoundAxes hidden{input(0)}, inner{weight(down, 2)}, experts{input(1), weight(down, 0)};
  for (std::size_t i = 0; i < down; ++i) {
    hidden.push_back(weight(i, 2));
    experts.push_back(weight(i, 0));
    inner.push_back(part(weight(i, 1), 0, width));
  }
  if (down == 1 && op.inner == ExpertsOp::Inner::kGated)
    inner.push_back(part(weight(0, 1), width, width));  // up below gate
  return {hidden, inner, experts, {weight(down, 1), output()}};
}

Json::Object experts_fields(const ExpertsOp& op) {
  Json::Object out{{"experts", op.experts}, {"used", op.used}};
  if (op.inner == ExpertsOp::Inner::kGelu) out.emplace_back("inner", "gelu");
  return out;
}

constexpr OpTraits<ExpertsOp> kExperts = {
    .name = "experts",
    .fields = experts_fields,
    .takes = Takes::kValues,
    .width = [](const ExpertsOp&, const OpSite& at) { return at.weight(at.op.weights.size() - 1).axes.at(1).extent; },
    .state = kNoState,
    .length = Length::kAny,
    .scratch = experts_scratch,
    .multiply_adds = experts_products,
    .read = [](const ExpertsOp& op) { return Share{op.used, op.experts}; },
    .heard = Heard::kRouted,
    .decay = kNoDecay,
    .axes = experts_axes,
};

// Element by element: each column of the output is made from the same column of every input, and of a weight.
template <typename Kind>
constexpr OpTraits<Kind> element_wise(const char* name, Json::Object (*fields)(const Kind&) = kNoFields) {
  return {
      .name = name,
      .fields = fields,
      .takes = Takes::kValues,
      .width = kSameWidth,
      .state = kNoState,
      .length = Length::kAny,
      .scratch = kNoScratch,
      .multiply_adds = kNoProducts,
      .read = kAll,
      .heard = Heard::kNothing,
      .decay = kNoDecay,
      .axes =
          [](const Kind&, const OpSite& at) {
            BoundAxes axes{output()};
            for (std::size_t i = 0; i < at.widths.size(); ++i) axes.push_back(input(i));
            return Axes{with_weights(axes, at)};
          },
  };
}

Json::Object gelu_fields(const GeluOp& op) {
  if (op.form == GeluOp::Form::kTanh) return {};
  return {{"form", "exact"}};
}

constexpr OpTraits<SiluOp> kSilu = element_wise<SiluOp>("silu");
constexpr OpTraits<GeluOp> kGelu = element_wise<GeluOp>("gelu", gelu_fields);
constexpr OpTraits<SiluMulOp> kSiluMul = element_wise<SiluMulOp>("silu_mul");
constexpr OpTraits<SquaredReluMulOp> kSquaredReluMul = element_wise<SquaredReluMulOp>("squared_relu_mul");
constexpr OpTraits<AddOp> kAdd = element_wise<AddOp>("add");
constexpr OpTraits<ScaledAddOp> kScaledAdd = element_wise<ScaledAddOp>("scaled_add");

// One row for each alternative of Op::kind, in its order; anything else does not compile.
template <typename Variant>
struct TableOf;
template <typename... Kinds>
struct TableOf<std::variant<Kinds...>> {
  using Type = std::tuple<OpTraits<Kinds>...>;
};
constexpr TableOf<decltype(Op::kind)>::Type kRows{
    kEmbed,         kPositions,      kRmsNorm, kLayerNorm, kLinear, kSlice,   kRope,           kAttention, kCausalConv,
    kSelectiveScan, kSharedStepScan, kExperts, kSilu,      kGelu,   kSiluMul, kSquaredReluMul, kAdd,       kScaledAdd};

// question(kind, its row)
template <typename Question>
auto ask(const Op& op, Question question) {
  return std::visit(
      [&](const auto& kind) { return question(kind, std::get<OpTraits<std::remove_cvref_t<decltype(kind)>>>(kRows)); },
      op.kind);
}

}  // namespace

Json::Object kind_fields(const Op& op) {
  return ask(op, [](const auto& kind, const auto& row) {
    Json::Object out{{"op", row.name.value}};
    for (Json::Member& member : row.fields.value(kind)) out.push_back(std::move(member));
    return out;
  });
}

std::uint64_t output_width(const OpSite& site) {
  return ask(site.op, [&](const auto& kind, const auto& row) { return row.width.value(kind, site); });
}

StateSize state_size(const OpSite& site, std::uint64_t positions) {
  return ask(site.op, [&](const auto& kind, const auto& row) { return row.state.value(kind, site, positions); });
}

std::uint64_t kept_positions(const AttentionOp& attention, std::uint64_t positions) {
  return attention.window ? std::min(positions, attention.window + kPositionsAhead) : positions;
}

bool takes_tokens(const Op& op) {
  return ask(op, [](const auto&, const auto& row) { return row.takes.value == Takes::kTokens; });
}

bool is_bound_to_positions(const Op& op) {
  return ask(op, [](const auto&, const auto& row) { return row.length.value == Length::kPositions; });
}

std::uint64_t scratch_width(const OpSite& site) {
  return ask(site.op, [&](const auto& kind, const auto& row) { return row.scratch.value(kind, site); });
}

std::uint64_t multiply_adds(const OpSite& site, std::uint64_t tokens) {
  return ask(site.op, [&](const auto& kind, const auto& row) { return row.multiply_adds.value(kind, site, tokens); });
}

Share weights_read(const Op& op) {
  return ask(op, [](const auto& kind, const auto& row) { return row.read.value(kind); });
}

Heard heard_of(const Op& op) {
  return ask(op, [](const auto&, const auto& row) { return row.heard.value; });
}

std::optional<DecayWeight> decay_of(const Op& op) {
  return ask(op, [](const auto& kind, const auto& row) { return row.decay.value(kind); });
}

std::vector<BoundAxes> bound_axes(const OpSite& site) {
  return ask(site.op, [&](const auto& kind, const auto& row) { return row.axes.value(kind, site); });
}

std::uint64_t AxisRun::extent(const OpSite& site) const {
  if (of == Of::kWeight) return site.weight(index).axes.at(axis).extent;
  return of == Of::kInput ? site.widths.at(index) : output_width(site);
}

std::uint64_t AxisRun::units(const OpSite& site) const {
  const std::uint64_t all = extent(site);
  ensure(first <= all && (!count || *count <= all - first), "{} columns from {} of {}", count.value_or(0), first, all);
  const std::uint64_t run = count.value_or(all - first);
  ensure(unit > 0 && run % unit == 0, "{} columns in units of {}", run, unit);
  return run / unit;
}

}  // namespace quern
