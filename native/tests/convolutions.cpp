#include "../src/conv.h"
#include "../src/winograd.h"
#include "image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <cstdint>
#include <cstring>

using namespace prunus;

namespace {

// Of input channels; the last is more than any layer has, as a file of a stranger may say.
const std::vector<int> blocks = {1, 5, 64, std::numeric_limits<int>::max()};

struct Case {
    ConvShape shape;
    Image in, out, residual;
    std::vector<float> memory, weights, bias;
};

std::vector<double> reference(const Case& test, bool has_residual) {
    const ConvShape& shape = test.shape;
    const int ins = test.in.view.channels / shape.groups, outs = test.out.view.channels / shape.groups;
    std::vector<double> expected;
    test.out.each([&](int n, int k, int y, int x) {
        double sum = test.bias[static_cast<std::size_t>(k)];
        if (has_residual) sum += test.memory[static_cast<std::size_t>(test.residual.at(n, k, y, x))];
        std::size_t weight = static_cast<std::size_t>(k) * ins * shape.kernel_height * shape.kernel_width;
        for (int c = 0; c < ins; ++c)
            for (int ky = 0; ky < shape.kernel_height; ++ky)
                for (int kx = 0; kx < shape.kernel_width; ++kx, ++weight) {
                    const int iy = y * shape.stride_y + ky * shape.dilation_y - shape.pad_y;
                    const int ix = x * shape.stride_x + kx * shape.dilation_x - shape.pad_x;
                    if (iy < 0 || ix < 0 || iy >= test.in.view.height || ix >= test.in.view.width) continue;
                    sum += static_cast<double>(test.weights[weight]) *
                           test.memory[static_cast<std::size_t>(test.in.at(n, k / outs * ins + c, iy, ix))];
                }
        expected.push_back(std::max(sum, 0.0));
    });
    return expected;
}

Case random_case(const Isa& isa, Random& random) {
    const int batch = random.one_of({1, 3, 16, 17, 40}), lanes = batch == 1 ? 1 : isa.width, groups = random.one_of({1, 1, 2});
    const int odd = 2 * random.between(0, 2) + 1, other = 2 * random.between(0, 1) + 1, dilation = random.between(1, 2);
    ConvShape shape{odd, other, 1, 1, dilation * (odd - 1) / 2, dilation * (other - 1) / 2, dilation, dilation, groups};
    const bool strided = random.chance(0.3);  // of rows of pixels: across channels only
    if (lanes > 1 || strided) shape.stride_y = random.between(1, 3), shape.stride_x = random.between(1, 2), shape.pad_y += random.between(0, 2);
    const int height = random.between(1, 9), width = random.between(1, 9);
    const int ins = groups * random.one_of({1, 2, 5, 33}), outs = groups * random.one_of({1, 4, 6, 12, 13, 16});
    const auto size = [](int in, int pad, int reach, int stride) { return (in + 2 * pad - reach - 1) / stride + 1; };
    const int out_height = size(height, shape.pad_y, dilation * (odd - 1), shape.stride_y);
    const int out_width = size(width, shape.pad_x, dilation * (other - 1), shape.stride_x);
    Image in(batch, ins, height, width, lanes, shape.pad_y, shape.pad_x, isa.width, 0);
    Image out(batch, outs, out_height, out_width, lanes, shape.pad_y, shape.pad_x, isa.width, in.end);
    Image residual(batch, outs, out_height, out_width, lanes, shape.pad_y, shape.pad_x, isa.width, out.end);
    Case test{shape, in, out, residual, {}, {}, {}};
    test.memory.resize(static_cast<std::size_t>(residual.end));
    in.fill(test.memory, random);
    residual.fill(test.memory, random);
    test.weights = random.weights(static_cast<std::size_t>(outs) * (ins / groups) * odd * other);
    for (int k = 0; k < outs; ++k) test.bias.push_back(random.normal());
    return test;
}

// A 3x3 convolution with as many outputs as inputs.
Case plain_case(const Isa& isa, Random& random, int batch, int height, int width, int groups) {
    const int lanes = batch == 1 ? 1 : isa.width, ins = groups * random.one_of({1, 2, 5, 33}), outs = groups * random.one_of({1, 4, 6, 12, 13});
    Image in(batch, ins, height, width, lanes, 1, 1, isa.width, 0);
    Image out(batch, outs, height, width, lanes, 1, 1, isa.width, in.end);
    Image residual(batch, outs, height, width, lanes, 1, 1, isa.width, out.end);
    Case test{{3, 3, 1, 1, 1, 1, 1, 1, groups}, in, out, residual, {}, {}, {}};
    test.memory.resize(static_cast<std::size_t>(residual.end));
    in.fill(test.memory, random);
    residual.fill(test.memory, random);
    test.weights = random.weights(static_cast<std::size_t>(outs) * (ins / groups) * 9);
    for (int k = 0; k < outs; ++k) test.bias.push_back(random.normal());
    return test;
}

Case random_winograd_case(const Isa& isa, Random& random) {
    const int batch = random.one_of({1, 1, 3, 16, 17, 40}), height = random.between(1, 9);
    return plain_case(isa, random, batch, height, random.one_of({1, 2, 3, 4, 5, 8, 9, 31, 34, 50}), 1);
}

// A NaN is the same as another.
bool same(const std::vector<float>& one, const std::vector<float>& other) {
    const auto alike = [](float a, float b) { return std::abs(a - b) < 1e-4f || a == b || (std::isnan(a) && std::isnan(b)); };
    return one.size() == other.size() && std::equal(one.begin(), one.end(), other.begin(), alike);
}

template <class Kind = Conv>
std::vector<float> run(const Isa& isa, const Case& test, const View& out, const View* residual, const ConvChoice& choice, int threads,
                       std::vector<float>& memory) {
    const Kind conv(isa, test.shape, test.in.view, out, residual, test.weights.data(), test.bias.data(),
                    Activation::named("relu", 0, 0), choice, threads);
    Threads pool(threads);
    memory = test.memory;
    float* const bases[] = {memory.data()};
    conv.run(bases, pool);
    return (residual && out.offset == residual->offset ? test.residual : test.out).values(memory);
}

}  // namespace

void test_convolutions(const Isa& isa, Report& report) {
    Random random(1);
    const int tiles[][3] = {{1, 1, 1}, {1, 1, 3}, {1, 2, 2}, {1, 1, 8}, {1, 3, 4}, {1, 2, 4}, {2, 1, 4}, {2, 2, 2}, {2, 2, 4}, {2, 1, 8}, {4, 1, 1}, {4, 1, 3}, {6, 2, 1}, {1, 1, 16}, {1, 4, 6}, {4, 1, 6}, {6, 2, 2},
                            {across, 1, 1}, {across, 1, 3}, {across, 2, 4}, {across, 4, 6}};
    for (int i = 0; i < 80; ++i) {
        const Case test = random_case(isa, random);
        const bool has_residual = random.chance(0.5);
        const std::vector<double> expected = reference(test, has_residual);
        const View* residual = has_residual ? &test.residual.view : nullptr;
        for (const auto& [group, rows, columns] : tiles) {
            const bool single = test.in.view.lanes == 1, plain = test.shape.stride_y == 1 && test.in.view.row == test.out.view.row;
            const bool whole = test.shape.groups == 1 || test.out.view.channels / test.shape.groups % (group == across ? isa.width : group) == 0;
            if (!isa.tile(group, rows, columns, test.shape.stride_x) || !whole) continue;
            if (group == across ? !single : single && !(plain && test.shape.stride_x == 1)) continue;
            const ConvChoice choice{group, rows, columns, random.one_of(blocks)};
            const std::string what = std::string(isa.name) + ": convolution " + std::to_string(i) + ", " + std::to_string(group) + " channels, " +
                                     std::to_string(rows) + "x" + std::to_string(columns);
            std::vector<float> memory, again;
            const std::vector<float> found = run(isa, test, test.out.view, residual, choice, 1, memory);
            report.check(what, found, expected);
            report.require(what + ": margins", test.out.margins_are_zero(memory, test.in.end) || has_residual);
            report.require(what + ": three threads", run(isa, test, test.out.view, residual, choice, 3, again) == found);
            if (has_residual) report.require(what + ": in place", run(isa, test, test.residual.view, residual, choice, 3, again) == found);
        }
    }
}

void test_winograd(const Isa& isa, Report& report) {
    Random random(2);
    for (int i = 0; i < 40; ++i) {
        Case test = random_winograd_case(isa, random);
        const bool not_finite = random.chance(0.2);
        if (not_finite) test.memory[static_cast<std::size_t>(test.in.at(0, 0, 0, 0))] = random.chance(0.5) ? INFINITY : NAN;
        const View* residual = random.chance(0.5) ? &test.residual.view : nullptr;
        const std::vector<double> expected = reference(test, residual != nullptr);
        for (const auto& [group, rows, columns] : {std::array{6, 1, 2}, {6, 2, 2}, {4, 2, 3}, {6, 2, 4}, {across, 1, 14}, {across, 2, 24}}) {
            const bool single = test.in.view.lanes == 1;
            if (!isa.tile(group, 1, columns, 1) || (group == across && !single)) continue;
            const ConvChoice choice{group, rows, columns, random.one_of(blocks)};
            const std::string what = std::string(isa.name) + ": winograd " + std::to_string(i) + ", " + std::to_string(group) + " channels";
            std::vector<float> memory, again;
            const std::vector<float> found = run<Winograd>(isa, test, test.out.view, residual, choice, 1, memory);
            if (not_finite) {
                std::vector<float> direct;
                run(isa, test, test.out.view, residual, ConvChoice{single ? across : 4, 1, single ? 1 : 2, 64}, 1, direct);
                report.require(what + ": not finite", same(memory, direct));
            } else {
                report.check(what, found, expected);
            }
            report.require(what + ": margins", test.out.margins_are_zero(memory, test.in.end) || residual);
            run<Winograd>(isa, test, test.out.view, residual, choice, 3, again);
            report.require(what + ": three threads", std::memcmp(again.data(), memory.data(), 4 * memory.size()) == 0);
            if (!residual) continue;
            const std::vector<float> in_place = run<Winograd>(isa, test, test.residual.view, residual, choice, 3, again);
            report.require(what + ": in place", std::memcmp(in_place.data(), found.data(), 4 * found.size()) == 0);
        }
    }
}

namespace {

void test_large(const Isa& isa, Report& report, int ins, int outs) {
    constexpr int size = 64, batch = 16;
    Random random(3);
    std::vector<float> memory(static_cast<std::size_t>(batch) * (ins + outs) * (size + 1) * (size + 1) + 4096);
    const std::ptrdiff_t aligned = static_cast<std::ptrdiff_t>((64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64 / sizeof(float));
    const Image in(batch, ins, size, size, isa.width, 0, 0, isa.width, aligned), out(batch, outs, size, size, isa.width, 0, 0, isa.width, in.end);
    Case test{{1, 1, 1, 1, 0, 0, 1, 1, 1}, in, out, out, std::move(memory), {}, {}};
    in.fill(test.memory, random);
    for (int i = 0; i < ins * outs; ++i) test.weights.push_back(random.chance(0.3) ? 0.0f : random.normal());
    for (int k = 0; k < outs; ++k) test.bias.push_back(random.normal());
    const std::vector<double> expected = reference(test, false);
    float* const bases[] = {test.memory.data()};
    for (const ConvChoice& choice : {ConvChoice{1, 1, 8, 2}, ConvChoice{1, 2, 4, 1}, ConvChoice{2, 1, 4, 16}, ConvChoice{4, 1, 2, 2}})
        for (const int threads : {1, 3}) {
            Threads pool(threads);
            std::fill(test.memory.begin() + out.view.offset, test.memory.begin() + out.end, 0.0f);
            Conv(isa, test.shape, in.view, out.view, nullptr, test.weights.data(), test.bias.data(), Activation::named("relu", 0, 0), choice, threads).run(bases, pool);
            report.check(std::string(isa.name) + ": large, " + std::to_string(choice.group) + " channels", out.values(test.memory), expected);
        }
}

}  // namespace

// Outputs larger than the caches, at multiples of a vector's bytes, are written past the caches; inputs are asked for early.
void test_streamed(const Isa& isa, Report& report) {
    test_large(isa, report, 2, 24);
    test_large(isa, report, 64, 2);
}

// Tiles that are whole images.
void test_whole(const Isa& isa, Report& report) {
    Random random(4);
    for (int i = 0; i < 30; ++i) {
        const int size = 2 + i % 3;
        Case test = plain_case(isa, random, random.one_of({3, 16, 17, 40}), size, size, random.one_of({1, 1, 2}));
        const View* residual = random.chance(0.5) ? &test.residual.view : nullptr;
        const ConvChoice choice{whole, size, size, random.one_of(blocks)};
        if (!isa.tile(whole, size, size, 1)) continue;
        const std::string what = std::string(isa.name) + ": whole images " + std::to_string(i);
        std::vector<float> memory, again;
        const std::vector<float> found = run(isa, test, test.out.view, residual, choice, 1, memory);
        report.check(what, found, reference(test, residual != nullptr));
        report.require(what + ": margins", test.out.margins_are_zero(memory, test.in.end) || residual);
        report.require(what + ": three threads", run(isa, test, test.out.view, residual, choice, 3, again) == found);
        if (residual) report.require(what + ": in place", run(isa, test, test.residual.view, residual, choice, 3, again) == found);
        const auto refuses = [&] {
            try {
                run(isa, test, test.out.view, residual, choice, 1, memory);
            } catch (const std::invalid_argument&) {
                return true;
            }
            return false;
        };
        test.memory[static_cast<std::size_t>(test.in.at(0, 0, i / 3 % size, size - 1))] = random.chance(0.5) ? INFINITY : NAN;
        const std::vector<float> direct = run(isa, test, test.out.view, residual, ConvChoice{1, 1, size, 64}, 1, again);
        report.require(what + ": not finite", same(run(isa, test, test.out.view, residual, choice, 1, memory), direct));
        test.weights[0] = INFINITY;
        report.require(what + ": weights not finite", refuses());
        test.weights[0] = 1, test.shape.pad_y = 0;
        report.require(what + ": another shape", refuses());
    }
}

// The largest of each 2x2 outputs.
void test_pooled(const Isa& isa, Report& report) {
    Random random(5);
    const int tiles[][3] = {{1, 2, 2}, {1, 2, 4}, {1, 4, 2}, {1, 2, 6}, {2, 2, 2}, {6, 2, 2}, {whole, 2, 2}, {whole, 4, 4}};
    for (int i = 0; i < 24; ++i) {
        const int height = 2 * random.between(1, 4), width = i % 2 ? height : 2 * random.between(1, 4);
        Case test = plain_case(isa, random, random.one_of({3, 16, 17, 40}), height, width, 1);
        if (random.chance(0.3)) test.memory[static_cast<std::size_t>(test.in.at(0, 0, height - 1, 0))] = random.chance(0.5) ? INFINITY : NAN;
        const int outs = test.out.view.channels, batch = test.out.batch;
        const Image pooled(batch, outs, height / 2, width / 2, isa.width, 1, 1, isa.width, test.residual.end);
        test.memory.resize(static_cast<std::size_t>(pooled.end));
        std::vector<float> memory, expected;
        run(isa, test, test.out.view, nullptr, ConvChoice{1, 1, std::min(width, 4), 64}, 1, memory);
        pooled.each([&](int n, int k, int y, int x) {
            float largest = -INFINITY;
            for (int tap = 0; tap < 4; ++tap) {
                const float one = memory[static_cast<std::size_t>(test.out.at(n, k, 2 * y + tap / 2, 2 * x + tap % 2))];
                if (one > largest || std::isnan(one)) largest = one;
            }
            expected.push_back(largest);
        });
        for (const auto& [group, rows, columns] : tiles) {
            if (!isa.tile(group, rows, columns, 1) || (group == whole && (rows != height || columns != width))) continue;
            for (const int threads : {1, 3}) {
                const Conv conv(isa, test.shape, test.in.view, test.out.view, nullptr, test.weights.data(), test.bias.data(),
                                Activation::named("relu", 0, 0), {group, rows, columns, random.one_of(blocks)}, threads, &pooled.view);
                Threads pool(threads);
                memory = test.memory;
                float* const bases[] = {memory.data()};
                conv.run(bases, pool);
                const std::string what = std::string(isa.name) + ": pooled " + std::to_string(i) + ", " + std::to_string(group) + " channels, " +
                                         std::to_string(rows) + "x" + std::to_string(columns);
                report.require(what, same(pooled.values(memory), expected));
                report.require(what + ": margins", pooled.margins_are_zero(memory, test.residual.end));
            }
        }
    }
}
