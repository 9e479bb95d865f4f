// Dense matrix products by oneDNN, weights reordered once into the layout that its kernel asks for.
//
// f32 runs as a 1x1 convolution over m pixels: its kernel reads blocked weights in place, while oneDNN's f32 inner
// product and matmul on AVX2 pack the weights again in every call (512x512x1536 on two AVX2 cores, one call on each:
// 175 GFLOP/s against 140). The convolution kernels want multiples of 8 channels; other sizes and bf16 run as an inner
// product.
#include "kernel/linear.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "base/cpu.h"
#include "base/fail.h"
#include "base/scalars.h"
#include "kernel/one_thread.h"
#include "kernel/onednn_level.h"

namespace quern {
namespace {

using Tag = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;

// Number of rows for which the weights are laid out at first: the usual window.
constexpr std::size_t kUsualRows = 512;

struct Extents {
  std::size_t outputs = 0, inputs = 0;
  Precision precision = Precision::kF32;

  Type factor_type() const { return precision == Precision::kBf16 ? Type::bf16 : Type::f32; }
  bool as_convolution() const { return precision == Precision::kF32 && outputs % 8 == 0 && inputs % 8 == 0; }
  dnnl::memory::dims weight_dims() const {
    const auto out = static_cast<dnnl::memory::dim>(outputs), in = static_cast<dnnl::memory::dim>(inputs);
    return as_convolution() ? dnnl::memory::dims{out, in, 1, 1} : dnnl::memory::dims{out, in};
  }
};

// A primitive for one number of rows, with weights in its layout.
struct Product {
  dnnl::primitive primitive;
  dnnl::memory::desc source, destination, weights, scratchpad;
};

template <typename Forward>
Product describe(const typename Forward::desc& desc, const dnnl::engine& engine) {
  dnnl::primitive_attr attr;
  attr.set_fpmath_mode(dnnl::fpmath_mode::strict);  // whatever DNNL_DEFAULT_FPMATH_MODE says
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const typename Forward::primitive_desc chosen(desc, attr, engine);
  return {Forward(chosen), chosen.src_desc(), chosen.dst_desc(), chosen.weights_desc(), chosen.scratchpad_desc()};
}

Product describe_convolution(const Extents& extents, dnnl::memory::dim m, const dnnl::engine& engine) {
  using dnnl::convolution_forward;
  const dnnl::memory::dims dims = extents.weight_dims();
  return describe<convolution_forward>(
      convolution_forward::desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
                                {{1, dims[1], m, 1}, Type::f32, Tag::nhwc}, {dims, Type::f32, Tag::any},
                                {{1, dims[0], m, 1}, Type::f32, Tag::nhwc}, {1, 1}, {0, 0}, {0, 0}),
      engine);
}

Product describe_inner_product(const Extents& extents, dnnl::memory::dim m, const dnnl::engine& engine) {
  using dnnl::inner_product_forward;
  const dnnl::memory::dims dims = extents.weight_dims();
  const Type type = extents.factor_type();
  return describe<inner_product_forward>(
      inner_product_forward::desc(dnnl::prop_kind::forward_inference, {{m, dims[1]}, type, Tag::nc},
                                  {dims, type, Tag::any}, {{m, dims[0]}, Type::f32, Tag::nc}),
      engine);
}

template <typename Body>
decltype(auto) refused_by_onednn(const Extents& extents, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const dnnl::error& error) {
    fail(ErrorCode::kResource, "oneDNN cannot multiply by a {} x {} matrix in {}: {}", extents.outputs, extents.inputs,
         to_string(extents.precision), error.what());
  }
}

}  // namespace

std::string_view to_string(Precision precision) { return precision == Precision::kBf16 ? "bf16" : "f32"; }

Precision best_precision() { return has_bf16_products() ? Precision::kBf16 : Precision::kF32; }

struct Linear::State {
  struct Ready {
    Product product;
    const dnnl::memory* weights = nullptr;
  };

  Extents extents;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::mutex mutex;  // guards what follows; its nodes stay where they are
  std::map<std::size_t, Ready> products;
  std::vector<std::unique_ptr<dnnl::memory>> layouts;  // the weights; nearly always one

  const Ready& for_rows(std::size_t m) {
    const std::lock_guard lock(mutex);
    const auto found = products.find(m);
    if (found != products.end()) return found->second;
    const auto rows = static_cast<dnnl::memory::dim>(m);
    Product product = extents.as_convolution() ? describe_convolution(extents, rows, engine)
                                               : describe_inner_product(extents, rows, engine);
    const dnnl::memory* weights = laid_out_as(product.weights);
    return products.emplace(m, Ready{std::move(product), weights}).first->second;
  }

  // The weights in this layout, reordered from the first one where it is new.
  const dnnl::memory* laid_out_as(const dnnl::memory::desc& desc) {
    for (const auto& layout : layouts)
      if (layout->get_desc() == desc) return layout.get();
    reorder_from(*layouts.front(), desc);
    return layouts.back().get();
  }

  void reorder_from(dnnl::memory from, const dnnl::memory::desc& desc) {
    auto to = std::make_unique<dnnl::memory>(desc, engine);
    dnnl::stream stream(engine);
    dnnl::reorder(from, *to).execute(stream, from, *to);
    stream.wait();
    layouts.push_back(std::move(to));
  }
};

std::string library_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

Linear::Linear(MatrixView weights, Precision precision) {
  ensure(weights.stride == weights.cols, "Linear: weights with a stride of {} for {} columns", weights.stride,
         weights.cols);
  use_one_openmp_thread();
  hold_onednn_to_level();
  state_ = std::make_unique<State>();
  State& s = *state_;
  s.extents = {weights.rows, weights.cols, precision};
  refused_by_onednn(s.extents, [&] {
    const dnnl::memory::desc plain(s.extents.weight_dims(), Type::f32,
                                   s.extents.as_convolution() ? Tag::oihw : Tag::oi);
    s.layouts.push_back(std::make_unique<dnnl::memory>(plain, s.engine, const_cast<float*>(weights.data)));
    s.for_rows(kUsualRows);
    // The caller's weights go; when no reorder was needed (their layout was the wanted one) they are copied.
    const std::unique_ptr<dnnl::memory> given = std::move(s.layouts.front());
    s.layouts.erase(s.layouts.begin());
    if (s.layouts.empty()) s.reorder_from(*given, plain);
    s.products.at(kUsualRows).weights = s.layouts.front().get();
  });
}

Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

std::size_t Linear::outputs() const noexcept { return state_->extents.outputs; }
std::size_t Linear::inputs() const noexcept { return state_->extents.inputs; }

void Linear::apply(MatrixView x, MutableMatrixView y) const {
  const Extents& extents = state_->extents;
  ensure(x.cols == extents.inputs && y.cols == extents.outputs && x.rows == y.rows && x.stride == x.cols &&
             y.stride == y.cols,
         "Linear {} -> {} applied to [{}, {}] and [{}, {}]", extents.inputs, extents.outputs, x.rows, x.cols, y.rows,
         y.cols);
  if (x.rows == 0) return;
  use_one_openmp_thread();
  std::vector<std::uint16_t> rounded;
  const void* source = x.data;
  if (extents.precision == Precision::kBf16) {
    rounded.resize(x.rows * x.cols);
    for (std::size_t i = 0; i < rounded.size(); ++i) rounded[i] = f32_to_bf16(x.data[i]);
    source = rounded.data();
  }
  refused_by_onednn(extents, [&] {
    const State::Ready& ready = state_->for_rows(x.rows);
    dnnl::stream stream(state_->engine);
    ready.product.primitive.execute(
        stream, {{DNNL_ARG_SRC, dnnl::memory(ready.product.source, state_->engine, const_cast<void*>(source))},
                 {DNNL_ARG_WEIGHTS, *ready.weights},
                 {DNNL_ARG_DST, dnnl::memory(ready.product.destination, state_->engine, y.data)},
                 {DNNL_ARG_SCRATCHPAD, dnnl::memory(ready.product.scratchpad, state_->engine)}});
    stream.wait();
  });
}

}  // namespace quern
