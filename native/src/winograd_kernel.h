// The transformations of Winograd's convolution: of 4x4 inputs to 16 factors, and of 16 products to 2x2 outputs.
#pragma once

#include "row_kernels.h"
#include "tile_kernel.h"
#include "winograd.h"

namespace prunus::PRUNUS_ISA {

// F(2x2, 3x3) of Lavin & Gray, 2016: B^T d B of an input tile d, first by columns, then by rows.
template <class Load>
inline __attribute__((always_inline)) void winograd_factors(const Load& input, char* to, std::ptrdiff_t product) {
    Vector rows[4][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
        const Vector a = input(x), b = input(4 + x), c = input(8 + x), d = input(12 + x);
        rows[0][x] = a - c, rows[1][x] = b + c, rows[2][x] = c - b, rows[3][x] = b - d;
    }
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
        const auto& row = rows[y];
        const Vector factors[] = {row[0] - row[2], row[1] + row[2], row[2] - row[1], row[1] - row[3]};
#pragma GCC unroll 4
        for (int x = 0; x < 4; ++x, to += product) store(to, factors[x]);
    }
}

inline void winograd_input_cells(const WinogradInput& of) {
    const char* in = of.in;
    for (int channel = 0; channel < of.channels; ++channel, in += of.plane)
        winograd_factors([&](int i) { return load(in + of.at[i]); }, of.out + channel * of.out_plane, of.out_product);
}

// What is written past the last tile is overwritten, or not read.
inline void winograd_input_pixels(const WinogradInput& of) {
    const char* in = of.in;
    for (int channel = 0; channel < of.channels; ++channel, in += of.plane)
        for (int tile = 0; tile < of.tiles; tile += width) {
            const auto input = [&](int i) {
                const char* from = in + of.at[i] + tile * 2 * static_cast<int>(sizeof(float));
                return load_even(reinterpret_cast<const float*>(from), std::make_integer_sequence<int, width>());
            };
            winograd_factors(input, of.out + channel * of.out_plane + tile * sizeof(float), of.out_product);
        }
}

// A^T m A of the 16 products m, summed over the input channels already.
inline __attribute__((always_inline)) void winograd_sums(const char* in, std::ptrdiff_t product, Vector bias, Vector (&out)[2][2]) {
    Vector rows[2][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x, in += product) {
        const Vector a = load(in), b = load(in + 4 * product), c = load(in + 8 * product), d = load(in + 12 * product);
        rows[0][x] = a + b + c, rows[1][x] = b - c - d;
    }
#pragma GCC unroll 2
    for (int y = 0; y < 2; ++y) {
        out[y][0] = rows[y][0] + rows[y][1] + rows[y][2] + bias;
        out[y][1] = rows[y][1] - rows[y][2] - rows[y][3] + bias;
    }
}

inline void winograd_output_cells(const WinogradOutput& to) {
    const Vector low = broadcast(to.low), high = broadcast(to.high);
    Vector doubt{};
    for (int channel = 0; channel < to.channels; ++channel) {
        Vector values[2][2];
        winograd_sums(to.in + channel * to.plane, to.product, broadcast(to.bias[channel]), values);
        char* out = to.out + channel * to.out_plane;
#pragma GCC unroll 2
        for (int y = 0; y < 2; ++y)
#pragma GCC unroll 2
            for (int x = 0; x < 2; ++x) {
                if (y >= to.rows || x >= to.columns) continue;
                char* at = out + y * to.out_row + x * vector_bytes;
                Vector value = values[y][x];
                if (to.has_residual) value += load(at + to.residual);
                value = at_most(at_least(value, low), high);
                doubt += value * 0.0f;
                store(at, value);
            }
    }
    mark_doubt(to.doubt, doubt);
}

// Of `count` pixels in a row, a vector or less.
inline void winograd_finish(const WinogradOutput& to, char* at, Vector value, int count, Vector& doubt) {
    const Vector low = broadcast(to.low), high = broadcast(to.high);
    if (count >= width) {
        if (to.has_residual) value += load(at + to.residual);
        value = at_most(at_least(value, low), high);
        doubt += value * 0.0f;
        store(at, value);
    } else if (count > 0) {
        float row[width] = {}, added[width] = {};
        store(row, value);
        if (to.has_residual) std::memcpy(added, at + to.residual, static_cast<std::size_t>(count) * sizeof(float));
        for (int i = count; i < width; ++i) row[i] = 0;
        value = at_most(at_least(load(row) + load(added), low), high);
        store(row, value);
        for (int i = 0; i < count; ++i) doubt[0] += row[i] * 0.0f;
        std::memcpy(at, row, static_cast<std::size_t>(count) * sizeof(float));
    }
}

template <int... I>
inline __attribute__((always_inline)) void interleave(Vector a, Vector b, Vector& first, Vector& second, std::integer_sequence<int, I...>) {
    first = __builtin_shufflevector(a, b, (I / 2 + I % 2 * width)...);
    second = __builtin_shufflevector(a, b, (width / 2 + I / 2 + I % 2 * width)...);
}

inline void winograd_output_pixels(const WinogradOutput& to) {
    Vector doubt{};
    for (int channel = 0; channel < to.channels; ++channel)
        for (int tile = 0; tile < to.tiles; tile += width) {
            Vector values[2][2];
            winograd_sums(to.in + channel * to.plane + tile * sizeof(float), to.product, broadcast(to.bias[channel]), values);
            char* at = to.out + channel * to.out_plane + 2 * tile * sizeof(float);
            for (int y = 0; y < to.rows; ++y, at += to.out_row) {
                Vector first, second;
                interleave(values[y][0], values[y][1], first, second, std::make_integer_sequence<int, width>());
                winograd_finish(to, at, first, to.columns - 2 * tile, doubt);
                winograd_finish(to, at + vector_bytes, second, to.columns - 2 * tile - width, doubt);
            }
        }
    mark_doubt(to.doubt, doubt);
}

}  // namespace prunus::PRUNUS_ISA
