// The tile kernels of convolutions of bytes, and the rows of what goes to bytes and from them. Compiled once per
// instruction set, without contraction of products and sums: every one gives the same bits.
#pragma once

#include "int8.h"
#include "int8_vector.h"

namespace prunus::PRUNUS_ISA {

// The value of a channel's sums in a cell, up to the residual.
struct ChannelFinish {
    Lanes correction;
    Vector factor, addend;
    ChannelFinish(const Int8Finish& finish, int channel)
        : correction(broadcast_lanes(finish.corrections[channel])), factor(broadcast(finish.factors[channel])), addend(broadcast(finish.addends[channel])) {}

    Vector plain(Lanes sum) const { return to_float(sum + correction) * factor + addend; }
    Vector value(const Int8Finish& finish, Lanes sum) const {
        Vector value = plain(sum);
        if (!finish.rounds_first) return value;
        value = at_most(at_least(value, broadcast(finish.first_low)), broadcast(finish.first_high));
        return to_float(nearest(value)) * finish.first_factor;
    }
};

inline Vector byte_of(Lanes quads, int place, std::int32_t zero, float factor) {
    return to_float(((quads >> (8 * place)) & 255) - zero) * factor;
}

// Writes a quad of channels of a tile; sums: of each channel, cell after cell.
template <bool Plain>
__attribute__((noinline)) void finish_bytes(const Int8Tile& tile, int quad_index, const Lanes* sums, int rows, int columns) {
    const Int8Finish& finish = tile.finish;
    const int cells = rows * columns;
    const ChannelFinish of[quad] = {{finish, 4 * quad_index}, {finish, 4 * quad_index + 1}, {finish, 4 * quad_index + 2}, {finish, 4 * quad_index + 3}};
    const Vector low = broadcast(finish.low), high = broadcast(finish.high);
    const Lanes zero = broadcast_lanes(finish.zero), margin = broadcast_lanes(static_cast<std::int32_t>(static_cast<std::uint32_t>(finish.zero) * 0x01010101u));
    for (int r = 0, p = 0; r < rows; ++r) {
        char* out = tile.out[r] + quad_index * tile.out_plane;
        for (int c = 0; c < columns; ++c, ++p, out += vector_bytes) {
            const Lanes residual = !Plain && finish.has_residual ? load_lanes(out + tile.residual) : Lanes{};
            Lanes packed{};
#pragma GCC unroll 4
            for (int k = 0; k < quad; ++k) {
                Vector value = Plain ? of[k].plain(sums[k * cells + p]) : of[k].value(finish, sums[k * cells + p]);
                if (!Plain && finish.has_residual) value += byte_of(residual, k, finish.residual_zero, finish.residual_factor);
                packed |= (nearest(at_most(at_least(value, low), high)) + zero) << (8 * k);
            }
            if (tile.mask) {
                const Lanes mask = load_lanes(tile.mask + c * width);
                packed = (packed & mask) | (margin & ~mask);
            }
            store_lanes(out, packed);
        }
    }
}

inline __attribute__((noinline)) void finish_floats(const Int8Tile& tile, int quad_index, const Lanes* sums, int rows, int columns) {
    const Int8Finish& finish = tile.finish;
    const int cells = rows * columns;
    const Vector low = broadcast(finish.low), high = broadcast(finish.high);
    for (int k = 0; k < quad && 4 * quad_index + k < tile.channels; ++k) {
        const int channel = 4 * quad_index + k;
        const ChannelFinish of(finish, channel);
        for (int r = 0, p = 0; r < rows; ++r) {
            char* out = tile.out[r] + channel * tile.out_plane;
            for (int c = 0; c < columns; ++c, ++p, out += vector_bytes) {
                Vector value = of.value(finish, sums[k * cells + p]);
                if (finish.has_residual) value += load(out + tile.residual);
                value = at_most(at_least(value, low), high);
                if (tile.mask) value = bits(bits(value) & load_lanes(tile.mask + c * width));
                store(out, value);
            }
        }
    }
}

inline void finish_quad(const Int8Tile& tile, int quad_index, const Lanes* sums, int rows, int columns) {
    if (tile.finish.floats) return finish_floats(tile, quad_index, sums, rows, columns);
    const bool plain = !tile.finish.rounds_first && !tile.finish.has_residual;
    plain ? finish_bytes<true>(tile, quad_index, sums, rows, columns) : finish_bytes<false>(tile, quad_index, sums, rows, columns);
}

// Products depend on the sum before them; so many sums at once are enough to keep the multipliers busy.
constexpr int int8_sets(int sums) { return sums >= 8 ? 1 : sums >= 4 ? 2 : 4; }

// All products of one group, the sums of each output cell after cell.
template <int M, int R, int C, int Stride>
inline __attribute__((always_inline)) void sum_entries(const Int8Tile& tile, int group, const char* const (&in)[R], Lanes* to) {
    constexpr int cells = R * C, sets = int8_sets(M * cells);
    Lanes sums[sets][M][cells] = {};
    std::ptrdiff_t i = tile.begins[group];
    const std::ptrdiff_t end = tile.begins[group + 1];
    const auto add = [&](std::ptrdiff_t entry, Lanes (&into)[M][cells]) __attribute__((always_inline)) {
        const std::ptrdiff_t offset = tile.offsets[entry];
        const std::int32_t* const weights = tile.weights + entry * M;
        Lanes bytes[cells];
#pragma GCC unroll 32
        for (int p = 0; p < cells; ++p) bytes[p] = load_lanes(in[p / C] + offset + p % C * Stride * vector_bytes);
#pragma GCC unroll 32
        for (int m = 0; m < M; ++m) {
            const Weights weight(weights[m]);
#pragma GCC unroll 32
            for (int p = 0; p < cells; ++p) into[m][p] = dot(into[m][p], bytes[p], weight);
        }
    };
    for (; i + sets <= end; i += sets)
#pragma GCC unroll 4
        for (int s = 0; s < sets; ++s) add(i + s, sums[s]);
    if constexpr (sets > 1)
        for (; i < end; ++i) add(i, sums[0]);
#pragma GCC unroll 32
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 32
        for (int p = 0; p < cells; ++p) {
            Lanes sum = sums[0][m][p];
            for (int s = 1; s < sets; ++s) sum += sums[s][m][p];
            to[m * cells + p] = sum;
        }
}

template <int M, int R, int C, int Stride>
void int8_kernel(const Int8Tile& given) {
    const Int8Tile tile = given;
    const char* in[R];
    for (int r = 0; r < R; ++r) in[r] = tile.in[r];
    Lanes sums[quad * R * C];
    for (int group = tile.first_group; group < tile.last_group; ++group) {
        const int place = group * M % quad;
        sum_entries<M, R, C, Stride>(tile, group, in, sums + place * R * C);
        if (place + M == quad) finish_quad(tile, group * M / quad, sums, R, C);
    }
}

inline void quantize_row(const Int8Scale& given, const float* const (&in)[quad], std::int32_t* out, std::ptrdiff_t count) {
    const Vector scale = broadcast(given.scale), low = broadcast(static_cast<float>(given.low - given.zero)), high = broadcast(static_cast<float>(given.high - given.zero));
    const auto packed = [&](const float* const (&from)[quad]) {
        Lanes quads{};
        for (int k = 0; k < quad; ++k) {
            if (!from[k]) {
                quads |= broadcast_lanes(given.zero) << (8 * k);
                continue;
            }
            const Vector value = load(from[k]) / scale;
            const Vector above = value > low ? value : low;  // low where it is not a number
            quads |= (nearest(at_most(above, high)) + given.zero) << (8 * k);
        }
        return quads;
    };
    std::ptrdiff_t i = 0;
    for (; i + width <= count; i += width) {
        const float* const from[quad] = {in[0] ? in[0] + i : nullptr, in[1] ? in[1] + i : nullptr, in[2] ? in[2] + i : nullptr, in[3] ? in[3] + i : nullptr};
        store_lanes(out + i, packed(from));
    }
    if (i == count) return;
    float rest[quad][width] = {};
    const float* from[quad] = {};
    for (int k = 0; k < quad; ++k) {
        if (!in[k]) continue;
        from[k] = rest[k];
        for (std::ptrdiff_t j = i; j < count; ++j) rest[k][j - i] = in[k][j];
    }
    const Lanes quads = packed(from);
    for (std::ptrdiff_t j = i; j < count; ++j) out[j] = quads[j - i];
}

inline void dequantize_row(const Int8Scale& given, const std::int32_t* in, float* const (&out)[quad], std::ptrdiff_t count) {
    for (int k = 0; k < quad; ++k) {
        if (!out[k]) continue;
        std::ptrdiff_t i = 0;
        for (; i + width <= count; i += width) store(out[k] + i, byte_of(load_lanes(in + i), k, given.zero, given.scale));
        for (; i < count; ++i) out[k][i] = static_cast<float>(((in[i] >> (8 * k)) & 255) - given.zero) * given.scale;
    }
}

inline void add_row(const Int8Sum& given, const std::int32_t* left, const std::int32_t* right, std::int32_t* out, std::ptrdiff_t count) {
    const Vector low = broadcast(given.low), high = broadcast(given.high);
    const auto sum = [&](Lanes one, Lanes other) {
        Lanes packed{};
        for (int k = 0; k < quad; ++k) {
            Vector value = byte_of(one, k, given.left_zero, given.left_factor);
            if (right) value += byte_of(other, k, given.right_zero, given.right_factor);
            packed |= (nearest(at_most(at_least(value, low), high)) + given.zero) << (8 * k);
        }
        return packed;
    };
    std::ptrdiff_t i = 0;
    for (; i + width <= count; i += width) store_lanes(out + i, sum(load_lanes(left + i), right ? load_lanes(right + i) : Lanes{}));
    for (; i < count; ++i) out[i] = sum(broadcast_lanes(left[i]), broadcast_lanes(right ? right[i] : 0))[0];
}

}  // namespace prunus::PRUNUS_ISA
