#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "bytes.h"
#include "conv.h"
#include "engine.h"
#include "int8_conv.h"
#include "map.h"
#include "pool.h"
#include "rows.h"
#include "winograd.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace prunus;

namespace {

using Constant = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Writable = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Pair = std::tuple<int, int>;

// Steps are checked against the memory once, when they are made; kernels trust them.
void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

void check_inside(const Engine& engine, std::ptrdiff_t offset, std::ptrdiff_t size) {
    require(offset >= 0 && size >= 0 && offset + size <= engine.size(), "a tensor lies outside of the engine's memory");
}

void check_inside(const Engine& engine, const View& view) {
    require(view.images > 0 && view.channels > 0 && view.height > 0 && view.width > 0 && view.lanes > 0, "a view must not be empty");
    require(view.row >= static_cast<std::ptrdiff_t>(view.width) * view.lanes && view.plane >= view.row * (view.height - 1), "rows of a view overlap");
    require(view.doubt < engine.size(), "a tensor lies outside of the engine's memory");
    check_inside(engine, view.offset, (view.images - 1) * view.image + view.channels * view.plane);
}

Activation activation_of(const std::optional<std::tuple<std::string, float, float>>& given) {
    return given ? Activation::named(std::get<0>(*given), std::get<1>(*given), std::get<2>(*given)) : Activation{};
}
using Given = std::optional<std::tuple<std::string, float, float>>;

std::shared_ptr<Step> make_convolution(const Engine& engine, const View& in, const View& out, const std::optional<View>& residual,
                                       const Constant& weight, const Constant& bias, Pair stride, Pair padding, Pair dilation,
                                       int groups, const Given& activation, std::tuple<int, int, int, int, bool> choice,
                                       const std::optional<View>& pooled) {
    check_inside(engine, in);
    check_inside(engine, pooled ? *pooled : out);
    if (residual) check_inside(engine, *residual);
    require(weight.ndim() == 4 && groups > 0 && in.channels % groups == 0, "a weight must have four dimensions");
    require(weight.shape(0) == static_cast<std::size_t>(out.channels) && weight.shape(1) == static_cast<std::size_t>(in.channels / groups) &&
                bias.size() == static_cast<std::size_t>(out.channels),
            "weight and bias must have the channels of input and output");
    const ConvShape shape{static_cast<int>(weight.shape(2)), static_cast<int>(weight.shape(3)), std::get<0>(stride), std::get<1>(stride),
                          std::get<0>(padding), std::get<1>(padding), std::get<0>(dilation), std::get<1>(dilation), groups};
    const auto [group, rows, columns, block, winograd] = choice;
    const View* const added = residual ? &*residual : nullptr;
    const ConvChoice chosen{group, rows, columns, block};
    require(!winograd || !pooled, "Winograd's convolution is not pooled at once");
    if (winograd)
        return std::make_shared<Winograd>(engine.isa(), shape, in, out, added, weight.data(), bias.data(), activation_of(activation), chosen,
                                          engine.threads());
    return std::make_shared<Conv>(engine.isa(), shape, in, out, added, weight.data(), bias.data(), activation_of(activation), chosen,
                                  engine.threads(), pooled ? &*pooled : nullptr);
}

using Constant8 = nb::ndarray<const std::int8_t, nb::c_contig, nb::device::cpu>;

Int8Scale checked(const Int8Scale& scale) {
    require(std::isfinite(scale.scale) && scale.scale > 0, "a scale must be above 0");
    require(0 <= scale.low && scale.low <= scale.high && scale.high <= 255 && 0 <= scale.zero && scale.zero <= 255, "a zero point and bounds lie in a byte");
    return scale;
}

// The finished value in a byte: whatever the sums are, it does not reach into the byte beside it.
void check_finish(const Int8Finish& finish) {
    const float low = 0.0f - static_cast<float>(finish.zero), high = 255.0f - static_cast<float>(finish.zero);
    require(finish.floats || (finish.low >= low && finish.high <= high && finish.low <= finish.high), "bounds of a value must lie in a byte");
    require(0 <= finish.zero && finish.zero <= 255 && 0 <= finish.residual_zero && finish.residual_zero <= 255, "a zero point lies in a byte");
    require(!finish.rounds_first || (-255.0f <= finish.first_low && finish.first_low <= finish.first_high && finish.first_high <= 255.0f), "bounds of a value must lie in a byte");
    require(std::isfinite(finish.residual_factor) && std::isfinite(finish.first_factor), "a factor must be finite");
}

// finish: (low, high, zero point, or none for floats); first: (low, high, factor) or none; added: (zero point, factor) or none.
std::shared_ptr<Step> make_int8_convolution(const Engine& engine, const View& in, const View& out, const std::optional<View>& residual,
                                            const Constant8& weight, const Constant& factors, const Constant& addends, int input_zero, Pair stride,
                                            Pair padding, Pair dilation, int groups, std::tuple<float, float, std::optional<int>> finish,
                                            const std::optional<std::tuple<float, float, float>>& first,
                                            const std::optional<std::tuple<int, float>>& added, std::tuple<int, int, int> choice) {
    check_inside(engine, in);
    check_inside(engine, out);
    if (residual) check_inside(engine, *residual);
    require(weight.ndim() == 4 && groups > 0 && weight.size() > 0, "a weight must have four dimensions");
    require(factors.size() == weight.shape(0) && addends.size() == weight.shape(0), "there is a factor and an addend for each output");
    require(std::all_of(factors.data(), factors.data() + factors.size(), [](float one) { return std::isfinite(one); }), "a factor must be finite");
    require(std::none_of(addends.data(), addends.data() + addends.size(), [](float one) { return std::isnan(one); }), "an addend must be a number");
    require(0 <= input_zero && input_zero <= 255, "a zero point lies in a byte");
    const ConvShape shape{static_cast<int>(weight.shape(2)), static_cast<int>(weight.shape(3)), std::get<0>(stride), std::get<1>(stride),
                          std::get<0>(padding), std::get<1>(padding), std::get<0>(dilation), std::get<1>(dilation), groups};
    Int8Layer layer{weight.data(), factors.data(), addends.data(), static_cast<int>(weight.shape(1)) * groups, static_cast<int>(weight.shape(0)), input_zero, {}};
    layer.finish.low = std::get<0>(finish), layer.finish.high = std::get<1>(finish);
    layer.finish.floats = !std::get<2>(finish), layer.finish.zero = std::get<2>(finish).value_or(0);
    layer.finish.rounds_first = first.has_value();
    if (first) std::tie(layer.finish.first_low, layer.finish.first_high, layer.finish.first_factor) = *first;
    if (added) std::tie(layer.finish.residual_zero, layer.finish.residual_factor) = *added;
    check_finish(layer.finish);
    const auto [block, rows, columns] = choice;
    return std::make_shared<Int8Conv>(engine.isa(), shape, in, out, residual ? &*residual : nullptr, layer, Int8Choice{block, rows, columns}, engine.threads());
}

template <class Kind>
std::shared_ptr<Step> make_scaled(const Engine& engine, const View& in, const View& out, float scale, int zero, int low, int high) {
    check_inside(engine, in);
    check_inside(engine, out);
    return std::make_shared<Kind>(engine.isa(), in, out, checked({scale, zero, low, high}));
}

std::shared_ptr<Step> make_add_bytes(const Engine& engine, const View& left, const std::optional<View>& right, const View& out,
                                     std::tuple<int, float> left_scale, std::tuple<int, float> right_scale, std::tuple<float, float, int> finish) {
    check_inside(engine, left);
    check_inside(engine, out);
    if (right) check_inside(engine, *right);
    const Int8Sum sum{std::get<0>(left_scale), std::get<0>(right_scale), std::get<1>(left_scale), std::get<1>(right_scale), std::get<0>(finish), std::get<1>(finish), std::get<2>(finish)};
    Int8Finish checked{};
    checked.low = sum.low, checked.high = sum.high, checked.zero = sum.zero, checked.residual_factor = sum.left_factor, checked.first_factor = sum.right_factor;
    check_finish(checked);
    return std::make_shared<AddBytes>(engine.isa(), left, right ? &*right : nullptr, out, sum);
}

std::shared_ptr<Step> make_pool_bytes(const Engine& engine, const View& in, const View& out, Pair kernel, Pair stride, Pair padding, Pair dilation) {
    check_inside(engine, in);
    check_inside(engine, out);
    const PoolShape shape{std::get<0>(kernel), std::get<1>(kernel), std::get<0>(stride), std::get<1>(stride), std::get<0>(padding),
                          std::get<1>(padding), std::get<0>(dilation), std::get<1>(dilation), true, false};
    return std::make_shared<PoolBytes>(shape, in, out);
}

std::shared_ptr<Step> make_mean_bytes(const Engine& engine, const View& in, const View& out, float scale, int zero) {
    check_inside(engine, in);
    check_inside(engine, out);
    const Int8Scale given = checked({scale, zero, 0, 255});
    return std::make_shared<MeanBytes>(in, out, given.scale, given.zero);
}

std::shared_ptr<Step> make_linear(const Engine& engine, bool sparse, int rows, std::ptrdiff_t in, std::ptrdiff_t out,
                                  std::ptrdiff_t residual, const Constant& weight, const Constant& bias, const Given& activation) {
    require(weight.ndim() == 2 && bias.size() == weight.shape(0), "a weight must have two dimensions, a bias a value per row of it");
    const int features = static_cast<int>(weight.shape(0)), size = static_cast<int>(weight.shape(1));
    check_inside(engine, in, static_cast<std::ptrdiff_t>(rows) * size);
    check_inside(engine, out, static_cast<std::ptrdiff_t>(rows) * features);
    if (residual >= 0) check_inside(engine, residual, static_cast<std::ptrdiff_t>(rows) * features);
    return std::make_shared<Linear>(engine.isa(), sparse, rows, size, features, in, out, residual, weight.data(), bias.data(),
                                    activation_of(activation), engine.threads());
}

std::shared_ptr<Step> make_pool(const Engine& engine, const View& in, const View& out, Pair kernel, Pair stride, Pair padding,
                                Pair dilation, bool largest, bool count_padding) {
    check_inside(engine, in);
    check_inside(engine, out);
    const PoolShape shape{std::get<0>(kernel), std::get<1>(kernel), std::get<0>(stride), std::get<1>(stride), std::get<0>(padding),
                          std::get<1>(padding), std::get<0>(dilation), std::get<1>(dilation), largest, count_padding};
    return std::make_shared<Pool>(engine.isa(), shape, in, out);
}

std::shared_ptr<Step> make_map(const Engine& engine, const std::string& op, std::vector<std::ptrdiff_t> shape, const Strided& out,
                               const Strided& left, const std::optional<Strided>& right, const Given& activation) {
    for (const Strided* side : {&out, &left, right ? &*right : &left}) {
        if (side->base != 0) continue;
        std::ptrdiff_t last = 0;
        for (std::size_t d = 0; d < shape.size() && d < side->strides.size(); ++d) last += (shape[d] - 1) * side->strides[d];
        check_inside(engine, side->offset, last + 1);
    }
    return std::make_shared<Map>(engine.isa(), op, std::move(shape), out, left, right ? *right : left, activation_of(activation));
}

std::shared_ptr<Step> make_rows(const Engine& engine, const std::string& kind, std::ptrdiff_t rows, std::ptrdiff_t columns,
                                std::ptrdiff_t in, std::ptrdiff_t out, const std::vector<float>& scale, const std::vector<float>& shift,
                                float epsilon) {
    check_inside(engine, in, rows * columns);
    check_inside(engine, out, kind == "mean" ? rows : rows * columns);
    return std::make_shared<Rows>(engine.isa(), kind, rows, columns, in, out, scale, shift, epsilon);
}

std::shared_ptr<Step> make_matmul(const Engine& engine, std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t columns,
                                  const std::vector<std::tuple<std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t>>& pairs) {
    std::vector<MatMul::Pair> checked;
    for (const auto& [left, right, out] : pairs) {
        check_inside(engine, left, rows * inner);
        check_inside(engine, right, inner * columns);
        check_inside(engine, out, rows * columns);
        checked.push_back({left, right, out});
    }
    return std::make_shared<MatMul>(engine.isa(), rows, inner, columns, std::move(checked));
}

std::vector<double> run(Engine& engine, const std::vector<Constant>& inputs, const std::vector<Writable>& outputs, bool timed) {
    std::vector<float*> outer;
    for (const Constant& input : inputs) outer.push_back(const_cast<float*>(input.data()));  // steps only read inputs
    for (const Writable& output : outputs) outer.push_back(output.data());
    std::vector<double> seconds;
    {
        const nb::gil_scoped_release release;
        engine.run(outer, timed ? &seconds : nullptr);
    }
    return seconds;
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The native engine of the sparse runtime.";
    m.def("isas_compiled", isas_compiled, "Names of the instruction sets that this module was compiled for.");
    m.def("isas_of_this_machine", isas_of_this_machine, "Those of them that this machine has; the best one last.");

    nb::class_<View>(m, "View", "Where a tensor lies in the engine's memory; offset and strides count floats.")
        .def(nb::init<std::ptrdiff_t, int, int, int, int, int, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t>(), "offset"_a, "images"_a,
             "channels"_a, "height"_a, "width"_a, "lanes"_a, "image"_a, "plane"_a, "row"_a, "doubt"_a = -1);
    nb::class_<Strided>(m, "Strided", "A strided array; base 0 is the engine's memory, then come inputs, then outputs.")
        .def(nb::init<int, std::ptrdiff_t, std::vector<std::ptrdiff_t>>(), "base"_a, "offset"_a, "strides"_a);
    nb::class_<Step>(m, "Step", "One operation, ready to run.")
        .def_prop_ro("size_bytes", &Step::size_bytes, "Bytes of its packed weights.");

    nb::class_<Engine>(m, "Engine", "Memory, threads and a list of steps.")
        .def(nb::init<const std::string&, int>(), "isa"_a, "threads"_a)
        .def_prop_ro("isa", [](const Engine& engine) { return engine.isa().name; })
        .def_prop_ro("width", [](const Engine& engine) { return engine.isa().width; }, "Floats in a vector.")
        .def_prop_ro("registers", [](const Engine& engine) { return engine.isa().registers; }, "Vectors that the processor holds at once.")
        .def_prop_ro("threads", &Engine::threads)
        .def("allocate", &Engine::allocate, "floats"_a, "Take so much memory, all zero. Steps are made after that.")
        .def("write", [](Engine& engine, std::ptrdiff_t offset, const Constant& values) {
                 check_inside(engine, offset, static_cast<std::ptrdiff_t>(values.size()));
                 std::copy_n(values.data(), values.size(), engine.memory() + offset);
             }, "offset"_a, "values"_a, "Write constants into the memory.")
        .def("convolution", make_convolution, "source"_a, "out"_a, "residual"_a, "weight"_a, "bias"_a, "stride"_a, "padding"_a,
             "dilation"_a, "groups"_a, "activation"_a, "choice"_a, "pooled"_a = nb::none())
        .def("int8_convolution", make_int8_convolution, "source"_a, "out"_a, "residual"_a, "weight"_a, "factors"_a, "addends"_a, "input_zero"_a,
             "stride"_a, "padding"_a, "dilation"_a, "groups"_a, "finish"_a, "first"_a, "added"_a, "choice"_a)
        .def("quantize", make_scaled<Quantize>, "source"_a, "out"_a, "scale"_a, "zero"_a, "low"_a, "high"_a)
        .def("dequantize", make_scaled<Dequantize>, "source"_a, "out"_a, "scale"_a, "zero"_a, "low"_a, "high"_a)
        .def("add_bytes", make_add_bytes, "left"_a, "right"_a, "out"_a, "left_scale"_a, "right_scale"_a, "finish"_a)
        .def("pool_bytes", make_pool_bytes, "source"_a, "out"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a)
        .def("mean_bytes", make_mean_bytes, "source"_a, "out"_a, "scale"_a, "zero"_a)
        .def("fill", [](Engine& engine, std::ptrdiff_t offset, std::ptrdiff_t count, int byte) {
                 check_inside(engine, offset, count);
                 std::memset(engine.memory() + offset, byte, static_cast<std::size_t>(count) * sizeof(float));
             }, "offset"_a, "count"_a, "byte"_a, "Write one byte all over a part of the memory.")
        .def("linear", make_linear, "sparse"_a, "rows"_a, "source"_a, "out"_a, "residual"_a, "weight"_a, "bias"_a, "activation"_a)
        .def("pool", make_pool, "source"_a, "out"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a, "largest"_a, "count_padding"_a)
        .def("map", make_map, "operator"_a, "shape"_a, "out"_a, "left"_a, "right"_a, "activation"_a)
        .def("rows", make_rows, "kind"_a, "rows"_a, "columns"_a, "source"_a, "out"_a, "scale"_a, "shift"_a, "epsilon"_a)
        .def("matmul", make_matmul, "rows"_a, "inner"_a, "columns"_a, "pairs"_a)
        .def("append", &Engine::append, "step"_a)
        .def("time", [](Engine& engine, const Step& step, double seconds, double limit) {
                 const nb::gil_scoped_release release;
                 return engine.time(step, seconds, limit);
             }, "step"_a, "seconds"_a, "limit"_a, "The least seconds that the step took, of runs for so long; of two runs where they are above the limit.")
        .def("run", run, "inputs"_a, "outputs"_a, "timed"_a = false, "Run all steps; with `timed`, the seconds of each.");
}
