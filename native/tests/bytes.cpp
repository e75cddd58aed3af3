#include "../src/bytes.h"
#include "../src/int8_conv.h"
#include "image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

using namespace prunus;

namespace {

std::uint8_t& byte_at(std::vector<float>& memory, const Image& image, int n, int c, int y, int x) {
    return reinterpret_cast<std::uint8_t*>(memory.data() + image.at(n, c / quad, y, x))[c % quad];
}

struct ByteCase {
    ConvShape shape;
    Image in, out, residual;
    int ins, outs;
    std::int32_t zero;
    std::vector<float> memory, factors, addends;
    std::vector<std::int8_t> weights;
    Int8Finish finish{};
    bool has_residual;
};

// Corners are as likely as what lies between them: 255 times -128, zero points 0 and 255.
ByteCase random_case(const Isa& isa, Random& random) {
    const int batch = random.one_of({1, 3, 16, 17}), lanes = batch < 4 ? 1 : isa.width, groups = random.one_of({1, 1, 2});
    const int odd = 2 * random.between(0, 1) + 1, dilation = random.between(1, 2);
    ConvShape shape{odd, odd, 1, 1, dilation * (odd - 1) / 2, dilation * (odd - 1) / 2, dilation, dilation, groups};
    if (lanes > 1) shape.stride_y = random.between(1, 3), shape.stride_x = random.between(1, 2);
    const int height = random.between(1, 7), width = random.between(1, 7);
    const int ins = groups == 1 ? random.one_of({1, 3, 4, 21}) : 8, outs = groups == 1 ? random.one_of({1, 4, 6, 16, 33}) : 32;
    const int out_height = (height - 1) / shape.stride_y + 1, out_width = (width - 1) / shape.stride_x + 1;
    const auto quads = [](int channels) { return (channels + quad - 1) / quad; };
    Image in(batch, quads(ins), height, width, lanes, shape.pad_y, shape.pad_x, isa.width, 0);
    Image out(batch, quads(outs), out_height, out_width, lanes, shape.pad_y, shape.pad_x, isa.width, in.end);
    Image residual(batch, quads(outs), out_height, out_width, lanes, shape.pad_y, shape.pad_x, isa.width, out.end);
    ByteCase test{shape, in, out, residual, ins, outs, random.one_of({0, 128, 255}), {}, {}, {}, {}, {}, random.chance(0.5)};
    test.memory.resize(static_cast<std::size_t>(residual.end));
    std::memset(test.memory.data(), test.zero, test.memory.size() * sizeof(float));
    const bool corner = random.chance(0.3);
    for (int n = 0; n < batch; ++n)
        for (int c = 0; c < ins; ++c)
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; ++x) byte_at(test.memory, in, n, c, y, x) = static_cast<std::uint8_t>(corner ? random.one_of({0, 255}) : random.between(0, 255));
    for (int n = 0; n < batch; ++n)
        for (int c = 0; c < outs; ++c)
            for (int y = 0; y < out_height; ++y)
                for (int x = 0; x < out_width; ++x) byte_at(test.memory, residual, n, c, y, x) = static_cast<std::uint8_t>(random.between(0, 255));
    const double zeros = std::vector<double>{0, 0.5, 0.9, 1}[static_cast<std::size_t>(random.between(0, 3))];
    test.weights.resize(static_cast<std::size_t>(outs) * (ins / groups) * odd * odd);
    for (std::int8_t& weight : test.weights) weight = static_cast<std::int8_t>(random.chance(zeros) ? 0 : corner ? -128 : random.between(-128, 127));
    for (int k = 0; k < outs; ++k) test.factors.push_back(0.001f + 0.01f * std::abs(random.normal())), test.addends.push_back(20 * random.normal());
    test.finish.zero = random.one_of({0, 128, 255});
    test.finish.low = static_cast<float>(-test.finish.zero), test.finish.high = static_cast<float>(255 - test.finish.zero);
    test.finish.rounds_first = test.has_residual && random.chance(0.5);
    test.finish.first_low = -100, test.finish.first_high = 155, test.finish.first_factor = 0.7f;
    test.finish.residual_zero = 7, test.finish.residual_factor = 0.3f;
    return test;
}

float rounded(float value, float low, float high) { return std::nearbyintf(std::min(std::max(value, low), high)); }

std::vector<std::uint8_t> expected_bytes(ByteCase& test) {
    const ConvShape& shape = test.shape;
    const int ins = test.ins / shape.groups, outs = test.outs / shape.groups;
    std::vector<std::uint8_t> expected;
    for (int n = 0; n < test.out.batch; ++n)
        for (int k = 0; k < test.outs; ++k)
            for (int y = 0; y < test.out.view.height; ++y)
                for (int x = 0; x < test.out.view.width; ++x) {
                    std::int64_t sum = 0;
                    std::size_t weight = static_cast<std::size_t>(k) * ins * shape.kernel_height * shape.kernel_width;
                    for (int c = 0; c < ins; ++c)
                        for (int ky = 0; ky < shape.kernel_height; ++ky)
                            for (int kx = 0; kx < shape.kernel_width; ++kx, ++weight) {
                                const int iy = y * shape.stride_y + ky * shape.dilation_y - shape.pad_y, ix = x * shape.stride_x + kx * shape.dilation_x - shape.pad_x;
                                if (iy < 0 || ix < 0 || iy >= test.in.view.height || ix >= test.in.view.width) continue;
                                sum += static_cast<std::int64_t>(test.weights[weight]) * (byte_at(test.memory, test.in, n, k / outs * ins + c, iy, ix) - test.zero);
                            }
                    // Each operation rounded to a float by itself.
                    volatile float value = static_cast<float>(sum);
                    value = value * test.factors[static_cast<std::size_t>(k)];
                    value = value + test.addends[static_cast<std::size_t>(k)];
                    if (test.finish.rounds_first) value = rounded(value, -100, 155), value = value * 0.7f;
                    if (test.has_residual) {
                        volatile float added = static_cast<float>(byte_at(test.memory, test.residual, n, k, y, x) - 7);
                        added = added * 0.3f;
                        value = value + added;
                    }
                    expected.push_back(static_cast<std::uint8_t>(static_cast<int>(rounded(value, test.finish.low, test.finish.high)) + test.finish.zero));
                }
    return expected;
}

}  // namespace

void test_bytes(const Isa& isa, Report& report) {
    Random random(6);
    for (int i = 0; i < 60; ++i) {
        ByteCase test = random_case(isa, random);
        const std::vector<std::uint8_t> expected = expected_bytes(test);
        const Int8Layer layer{test.weights.data(), test.factors.data(), test.addends.data(), test.ins, test.outs, test.zero, test.finish};
        for (const auto& [block, rows, columns] : {Int8Choice{1, 1, 1}, {1, 2, 4}, {1, 1, 12}, {4, 1, 2}, {4, 2, 1}, {4, 1, 6}, {4, 2, 3}, {16, 1, 1}, {16, 2, 2}, {16, 1, 4}}) {
            if (!isa.int8->tile(block, rows, columns, test.shape.stride_x)) continue;
            const std::string what = std::string(isa.name) + ": bytes " + std::to_string(i) + ", blocks of " + std::to_string(block);
            std::vector<float> first;
            for (const int threads : {1, 3}) {
                std::vector<float> memory = test.memory;
                float* const bases[] = {memory.data()};
                Threads pool(threads);
                Int8Conv(isa, test.shape, test.in.view, test.out.view, test.has_residual ? &test.residual.view : nullptr, layer, {block, rows, columns}, threads).run(bases, pool);
                std::size_t at = 0, wrong = 0;
                for (int n = 0; n < test.out.batch; ++n)
                    for (int k = 0; k < test.outs; ++k)
                        for (int y = 0; y < test.out.view.height; ++y)
                            for (int x = 0; x < test.out.view.width; ++x) wrong += byte_at(memory, test.out, n, k, y, x) != expected[at++];
                report.require(what + ": " + std::to_string(wrong) + " are wrong", wrong == 0);
                if (threads == 1) first = memory;
                report.require(what + ": three threads", std::memcmp(first.data(), memory.data(), first.size() * sizeof(float)) == 0);
            }
        }
    }
    bool refused = false;
    const std::vector<std::int8_t> large(70000, -128);  // times 255 they would not fit into 32 bits
    const float one[] = {1};
    const Image in(1, 17500, 1, 1, 1, 0, 0, isa.width, 0), out(1, 1, 1, 1, 1, 0, 0, isa.width, in.end);
    try {
        Int8Conv(isa, {1, 1, 1, 1, 0, 0, 1, 1, 1}, in.view, out.view, nullptr, {large.data(), one, one, 70000, 1, 0, {}}, {1, 1, 1}, 1);
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    report.require(std::string(isa.name) + ": a sum that could overflow is refused", refused);
}

void test_moved_bytes(const Isa& isa, Report& report) {
    Random random(7);
    for (int i = 0; i < 40; ++i) {
        const int batch = random.one_of({1, 3, 16}), lanes = batch < 4 ? 1 : isa.width, channels = random.between(1, 9), height = random.between(1, 7), width = random.between(1, 19);
        const int quads = (channels + quad - 1) / quad;
        const Image floats(batch, channels, height, width, lanes, 1, 1, isa.width, 0), bytes(batch, quads, height, width, lanes, 1, 1, isa.width, floats.end);
        const Image back(batch, channels, height, width, lanes, 1, 1, isa.width, bytes.end), sum(batch, quads, height, width, lanes, 1, 1, isa.width, back.end);
        const Image mean(batch, channels, 1, 1, lanes, 0, 0, isa.width, sum.end), pooled(batch, quads, (height + 1) / 2, (width + 1) / 2, lanes, 0, 0, isa.width, mean.end);
        std::vector<float> memory(static_cast<std::size_t>(pooled.end));
        floats.each([&](int n, int c, int y, int x) { memory[static_cast<std::size_t>(floats.at(n, c, y, x))] = random.chance(0.1) ? 1e30f * random.normal() : 3 * random.normal(); });
        const Int8Scale scale{0.05f, random.one_of({0, 128, 255}), 0, 255};
        const Int8Sum twice{scale.zero, scale.zero, 1.5f, 0.5f, static_cast<float>(-scale.zero), static_cast<float>(255 - scale.zero), scale.zero};
        Threads threads(2);
        float* const bases[] = {memory.data()};
        Quantize(isa, floats.view, bytes.view, scale).run(bases, threads);
        Dequantize(isa, bytes.view, back.view, scale).run(bases, threads);
        AddBytes(isa, bytes.view, &bytes.view, sum.view, twice).run(bases, threads);
        MeanBytes(bytes.view, mean.view, scale.scale, scale.zero).run(bases, threads);
        PoolBytes({3, 3, 2, 2, 1, 1, 1, 1, true, false}, bytes.view, pooled.view).run(bases, threads);
        std::vector<double> expected, means;
        bool quantized = true, added = true, largest = true;
        floats.each([&](int n, int c, int y, int x) {
            const float steps = std::nearbyintf(std::min(std::max(memory[static_cast<std::size_t>(floats.at(n, c, y, x))] / scale.scale, -1e6f), 1e6f));
            const int byte = std::clamp(static_cast<int>(steps) + scale.zero, 0, 255), distance = byte - scale.zero;
            quantized &= byte_at(memory, bytes, n, c, y, x) == byte;
            added &= byte_at(memory, sum, n, c, y, x) == std::clamp(2 * distance + scale.zero, 0, 255);
            expected.push_back(static_cast<float>(distance) * scale.scale);
        });
        pooled.each([&](int n, int q, int y, int x) {
            for (int c = q * quad; c < std::min(channels, (q + 1) * quad); ++c) {
                int best = 0;
                for (int v = std::max(0, 2 * y - 1); v < std::min(height, 2 * y + 2); ++v)
                    for (int u = std::max(0, 2 * x - 1); u < std::min(width, 2 * x + 2); ++u) best = std::max<int>(best, byte_at(memory, bytes, n, c, v, u));
                largest &= byte_at(memory, pooled, n, c, y, x) == best;
            }
        });
        mean.each([&](int n, int c, int, int) {
            double total = 0;
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; ++x) total += byte_at(memory, bytes, n, c, y, x) - scale.zero;
            means.push_back(total * scale.scale / (height * width));
        });
        const std::string what = std::string(isa.name) + ": moved bytes " + std::to_string(i);
        report.require(what + ": quantized", quantized);
        report.require(what + ": added", added);
        report.require(what + ": pooled", largest);
        report.check(what + ": back", back.values(memory), expected);
        report.check(what + ": mean", mean.values(memory), means);
    }
}
