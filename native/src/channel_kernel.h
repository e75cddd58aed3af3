// The kernel of dense convolutions over single images: a vector holds neighbouring output channels and a cell is a pixel,
// so that no lane is wasted on small images and strides need no copies. Each weight is loaded once for all pixels of the tile.
#pragma once

#include "tile_kernel.h"

namespace prunus::PRUNUS_ISA {

// Calls with (float of the buffer, float of the plane) for each pixel of a tile and each of so many channels.
template <int R, int C, class Call>
inline void each_pixel(const Tile& tile, int channel, int channels, float (&buffer)[R * C][width], const Call& call) {
    for (int k = 0; k < channels; ++k)
        for (int r = 0; r < R; ++r) {
            float* row = reinterpret_cast<float*>(tile.out[r] + (channel + k) * tile.out_plane);
            for (int c = 0; c < C; ++c) call(buffer[r * C + c][k], row + c);
        }
}

// Adds the bias and the residual, or the sums over the blocks before.
template <int R, int C>
inline void add_begun_channels(const Tile& tile, int channel, int channels, Vector (&sums)[R * C]) {
    if (!tile.first) {
#pragma GCC unroll 32
        for (int p = 0; p < R * C; ++p) sums[p] += load(tile.partial + channel * tile.partial_plane + p * vector_bytes);
        return;
    }
    const std::ptrdiff_t residual = tile.residual / static_cast<std::ptrdiff_t>(sizeof(float));
    const float* bias = tile.bias + channel;
    Vector biases{};
    for (int k = 0; k < channels; ++k) biases[k] = bias[k];
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) sums[p] += biases;
    if (!tile.has_residual) return;
    float buffer[R * C][width] = {};
    each_pixel<R, C>(tile, channel, channels, buffer, [&](float& sum, const float* out) { sum = out[residual]; });
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) sums[p] += load(buffer[p]);
}

template <int R, int C>
inline void finish_channels(const Tile& tile, int channel, int channels, Vector (&sums)[R * C], Vector& doubt) {
    if (!tile.last) {
#pragma GCC unroll 32
        for (int p = 0; p < R * C; ++p) store(tile.partial + channel * tile.partial_plane + p * vector_bytes, sums[p]);
        return;
    }
    float buffer[R * C][width];
    const Vector low = broadcast(tile.low), high = broadcast(tile.high);
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) sums[p] = at_most(at_least(sums[p], low), high);
    doubt += sum_of_all<0, R * C>(sums) * 0.0f;
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) store(buffer[p], sums[p]);
    each_pixel<R, C>(tile, channel, channels, buffer, [](float sum, float* out) { *out = sum; });
}

template <int R, int C, int Stride>
inline __attribute__((always_inline)) void take_weights(Vector (&sums)[R * C], const char* const (&in)[R], std::uint32_t offset,
                                                        const float* weights) {
    const Vector weight = load(weights);
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) {
        float pixel;
        std::memcpy(&pixel, in[p / C] + offset + p % C * Stride * static_cast<int>(sizeof pixel), sizeof pixel);
        sums[p] += weight * broadcast(pixel);
    }
}

template <int R, int C, int Stride>
void channel_kernel(const Tile& tile) {
    constexpr int sets = sets_of_sums(R * C);
    const char* in[R];
    for (int r = 0; r < R; ++r) in[r] = tile.in[r];
    Vector doubt{};
    for (int group = 0; group < tile.groups; ++group) {
        const int channel = group * width, channels = tile.channels - channel < width ? tile.channels - channel : width;
        const EntryRange span = tile.spans[group].rest;
        int left = span.end - span.begin;
        const std::uint32_t* offsets = tile.offsets + span.begin;
        const float* values = tile.values + static_cast<std::ptrdiff_t>(span.begin) * width;
        Vector sums[sets][1][R * C], total[1][R * C];
        bool settled = false;
        for (;; settled = true) {
            const bool more = left > chain * sets;
            int now = more ? chain * sets : left;
            left -= now;
            clear(sums);
            for (; now >= sets; now -= sets, offsets += sets, values += sets * width)
#pragma GCC unroll 32
                for (int u = 0; u < sets; ++u) take_weights<R, C, Stride>(sums[u][0], in, offsets[u], values + u * width);
            for (; now > 0; --now, ++offsets, values += width) take_weights<R, C, Stride>(sums[0][0], in, *offsets, values);
            join(sums);
            if (settled) add_to(sums[0], total);
            if (!more) break;
            std::memcpy(total, sums[0], sizeof total);
        }
        add_begun_channels<R, C>(tile, channel, channels, sums[0][0]);
        finish_channels<R, C>(tile, channel, channels, sums[0][0], doubt);
    }
    mark_doubt(tile.doubt, doubt);
}

}  // namespace prunus::PRUNUS_ISA
