#include <atomic>
#include <cmath>
#include <new>

#include "../src/map.h"
#include "../src/pool.h"
#include "../src/rows.h"
#include "image.h"

using namespace prunus;

void test_linear_layers(const Isa& isa, Report& report) {
    Random random(2);
    for (int i = 0; i < 60; ++i) {
        const int rows = random.between(1, 3), size = random.one_of({1, 7, 64, 300, 70000}), features = random.between(1, size > 1000 ? 3 : 40);
        const std::vector<float> bias = random.weights(static_cast<std::size_t>(features));
        std::vector<float> weights = random.weights(static_cast<std::size_t>(size) * features);
        for (float& weight : weights) weight /= std::sqrt(static_cast<float>(size));  // so that sums are near 1
        std::vector<float> memory(static_cast<std::size_t>(rows) * (size + features));
        for (float& value : memory) value = random.normal();
        std::vector<double> expected;
        for (int r = 0; r < rows; ++r)
            for (int f = 0; f < features; ++f) {
                double sum = bias[static_cast<std::size_t>(f)];
                for (int k = 0; k < size; ++k)
                    sum += static_cast<double>(weights[static_cast<std::size_t>(f) * size + k]) * memory[static_cast<std::size_t>(r) * size + k];
                expected.push_back(sum);
            }
        for (const bool sparse : {false, true}) {
            const Linear linear(isa, sparse, rows, size, features, 0, static_cast<std::ptrdiff_t>(rows) * size, -1, weights.data(), bias.data(), {}, 3);
            Threads threads(3);
            float* const bases[] = {memory.data()};
            linear.run(bases, threads);
            report.check(std::string(isa.name) + ": linear " + std::to_string(i), {memory.begin() + static_cast<std::ptrdiff_t>(rows) * size, memory.end()}, expected);
        }
    }
}

// What a worker throws is thrown where `run` was called, and the pool works on.
void test_threads(const Isa& isa, Report& report) {
    Threads threads(3);
    for (int failing = 0; failing < 12; ++failing) {
        bool thrown = false;
        try {
            threads.run(12, [&](int item) {
                if (item == failing) throw std::bad_alloc();
            });
        } catch (const std::bad_alloc&) {
            thrown = true;
        }
        std::atomic<int> done{0};
        threads.run(12, [&](int) { ++done; });
        report.require(std::string(isa.name) + ": a worker that fails at " + std::to_string(failing), thrown && done == 12);
    }
}

void test_pools(const Isa& isa, Report& report) {
    Random random(3);
    for (int i = 0; i < 100; ++i) {
        const int batch = random.one_of({1, 3, 17}), lanes = batch == 1 ? 1 : isa.width, channels = random.between(1, 5);
        const int height = random.between(3, 40), width = random.between(3, 40), kernel = random.between(1, 3), stride = random.between(1, 3);
        const int pad = random.between(0, kernel / 2), size_y = (height + 2 * pad - kernel) / stride + 1, size_x = (width + 2 * pad - kernel) / stride + 1;
        const bool largest = random.chance(0.5), count_padding = random.chance(0.5);
        const Image in(batch, channels, height, width, lanes, 1, 1, isa.width, 0), out(batch, channels, size_y, size_x, lanes, 1, 1, isa.width, in.end);
        std::vector<float> memory(static_cast<std::size_t>(out.end));
        in.fill(memory, random);
        std::vector<double> expected;
        out.each([&](int n, int c, int y, int x) {
            double best = -1e30, sum = 0;
            int count = 0;
            for (int iy = std::max(y * stride - pad, 0); iy < std::min(y * stride - pad + kernel, height); ++iy)
                for (int ix = std::max(x * stride - pad, 0); ix < std::min(x * stride - pad + kernel, width); ++ix, ++count) {
                    const double value = memory[static_cast<std::size_t>(in.at(n, c, iy, ix))];
                    best = std::max(best, value), sum += value;
                }
            expected.push_back(largest ? best : sum / (count_padding ? kernel * kernel : count));
        });
        const Pool pool(isa, PoolShape{kernel, kernel, stride, stride, pad, pad, 1, 1, largest, count_padding}, in.view, out.view);
        Threads threads(2);
        float* const bases[] = {memory.data()};
        pool.run(bases, threads);
        const std::string what = std::string(isa.name) + ": pool " + std::to_string(i);
        report.check(what, out.values(memory), expected);
        report.require(what + ": margins", out.margins_are_zero(memory, in.end));
    }
}

void test_maps(const Isa& isa, Report& report) {
    Random random(4);
    for (int i = 0; i < 100; ++i) {
        const std::ptrdiff_t planes = random.between(1, 5), rows = random.between(1, 9), columns = random.between(1, 40), step = random.between(1, 3);
        const std::ptrdiff_t source = planes * rows * columns * step;
        std::vector<float> memory(static_cast<std::size_t>(source + 2 * planes * rows * columns));
        for (float& value : memory) value = random.normal();
        const Strided out{0, source + planes * rows * columns, {rows * columns, columns, 1}}, left{0, 0, {rows * columns * step, columns * step, step}};
        const Strided right{0, source, {0, columns, random.chance(0.5) ? 1 : 0}};
        const char* const op = std::vector<const char*>{"copy", "add", "multiply"}[static_cast<std::size_t>(random.between(0, 2))];
        std::vector<double> expected;
        for (std::ptrdiff_t p = 0; p < planes; ++p)
            for (std::ptrdiff_t r = 0; r < rows; ++r)
                for (std::ptrdiff_t c = 0; c < columns; ++c) {
                    const double one = memory[static_cast<std::size_t>(((p * rows + r) * columns + c) * step)];
                    const double other = memory[static_cast<std::size_t>(source + r * columns + c * right.strides[2])];
                    expected.push_back(op[0] == 'c' ? one : op[0] == 'a' ? one + other : one * other);
                }
        const Map map(isa, op, {planes, rows, columns}, out, left, right, {});
        Threads threads(2);
        float* const bases[] = {memory.data()};
        map.run(bases, threads);
        report.check(std::string(isa.name) + ": " + op + " " + std::to_string(i), {memory.begin() + out.offset, memory.end()}, expected);
    }
    for (int i = 0; i < 40; ++i) {  // transpositions
        const std::ptrdiff_t planes = random.one_of({1, 5, 16, 33, 48}), rows = random.between(1, 4), columns = random.one_of({1, 3, 16, 40});
        const std::ptrdiff_t size = planes * rows * columns;
        std::vector<float> memory(static_cast<std::size_t>(2 * size));
        for (float& value : memory) value = random.normal();
        const bool swapped = random.chance(0.5);
        const std::vector<std::ptrdiff_t> from = swapped ? std::vector{columns, columns * planes, std::ptrdiff_t{1}} : std::vector{std::ptrdiff_t{1}, planes, planes * rows};
        const std::vector<std::ptrdiff_t> to = swapped ? std::vector{std::ptrdiff_t{1}, planes, planes * rows} : std::vector{rows * columns, columns, std::ptrdiff_t{1}};
        std::vector<double> expected(static_cast<std::size_t>(size));
        for (std::ptrdiff_t p = 0; p < planes; ++p)
            for (std::ptrdiff_t r = 0; r < rows; ++r)
                for (std::ptrdiff_t c = 0; c < columns; ++c)
                    expected[static_cast<std::size_t>(p * to[0] + r * to[1] + c * to[2])] = memory[static_cast<std::size_t>(p * from[0] + r * from[1] + c * from[2])];
        const Map map(isa, "copy", {planes, rows, columns}, {0, size, to}, {0, 0, from}, {0, 0, from}, {});
        Threads threads(2);
        float* const bases[] = {memory.data()};
        map.run(bases, threads);
        report.check(std::string(isa.name) + ": transposition " + std::to_string(i), {memory.begin() + size, memory.end()}, expected);
    }
}

void test_rows(const Isa& isa, Report& report) {
    Random random(5);
    for (int i = 0; i < 60; ++i) {
        const int rows = random.between(1, 20), columns = random.between(1, 50), size = rows * columns;
        std::vector<float> memory(static_cast<std::size_t>(2 * size));
        for (float& value : memory) value = random.normal();
        float* const bases[] = {memory.data()};
        Threads threads(2);
        std::vector<double> softmax, product;
        for (int r = 0; r < rows; ++r) {
            double sum = 0;
            for (int c = 0; c < columns; ++c) sum += std::exp(static_cast<double>(memory[static_cast<std::size_t>(r * columns + c)]));
            for (int c = 0; c < columns; ++c) softmax.push_back(std::exp(static_cast<double>(memory[static_cast<std::size_t>(r * columns + c)])) / sum);
        }
        Rows(isa, "softmax", rows, columns, 0, size, {}, {}, 0).run(bases, threads);
        report.check(std::string(isa.name) + ": softmax " + std::to_string(i), {memory.begin() + size, memory.end()}, softmax);

        // left [rows, columns] @ right [columns, rows]
        memory.resize(static_cast<std::size_t>(2 * size + rows * rows));
        for (int r = 0; r < rows; ++r)
            for (int s = 0; s < rows; ++s) {
                double sum = 0;
                for (int c = 0; c < columns; ++c)
                    sum += static_cast<double>(memory[static_cast<std::size_t>(r * columns + c)]) * memory[static_cast<std::size_t>(size + c * rows + s)];
                product.push_back(sum);
            }
        float* const resized[] = {memory.data()};
        MatMul(isa, rows, columns, rows, {{0, size, 2 * size}}).run(resized, threads);
        report.check(std::string(isa.name) + ": product " + std::to_string(i), {memory.begin() + 2 * size, memory.end()}, product);
    }
}
