// The tile kernel of a whole small image, 3x3 and with zeros around it: an entry adds to no cell that would get a zero of
// those from it. Compiled once per instruction set.
#pragma once

#include "tile_kernel.h"

namespace prunus::PRUNUS_ISA {

// The products of one entry of tap `Tap` of the kernel.
template <int Tap, int N>
inline __attribute__((always_inline)) void add_tap(Vector (&sums)[N * N], const char* const (&in)[N], std::ptrdiff_t offset, Vector weight) {
    constexpr int y = Tap / 3, x = Tap % 3;
#pragma GCC unroll 32
    for (int r = y == 0; r < N - (y == 2); ++r)
#pragma GCC unroll 32
        for (int c = x == 0; c < N - (x == 2); ++c)
            sums[r * N + c] += weight * load(in[r] + offset + c * vector_bytes);
}

// All entries of one output channel from a tap on; `begins` says where those of each begin, and the end.
template <int Tap, int N, int Sets>
inline __attribute__((always_inline)) void take_taps(const Tile& tile, const std::int32_t* begins, const char* const (&in)[N],
                                                     Vector (&sums)[Sets][1][N * N]) {
    std::ptrdiff_t i = begins[Tap];
    const std::ptrdiff_t end = begins[Tap + 1];
    if constexpr (Sets > 1)
        for (; i + 2 <= end; i += 2) {
            std::uint64_t both;
            std::memcpy(&both, tile.offsets + i, sizeof both);
            Vector weight, other;
            broadcast_pair(tile.values + i, weight, other);
            add_tap<Tap, N>(sums[0][0], in, static_cast<std::ptrdiff_t>(both & 0xffffffffu), weight);
            add_tap<Tap, N>(sums[1][0], in, static_cast<std::ptrdiff_t>(both >> 32), other);
        }
    for (; i < end; ++i) add_tap<Tap, N>(sums[0][0], in, tile.offsets[i], broadcast(tile.values[i]));
    if constexpr (Tap + 1 < whole_taps) take_taps<Tap + 1, N>(tile, begins, in, sums);
}

template <int N>
void whole_kernel(const Tile& given) {
    const Tile tile = given;
    constexpr int sets = sets_of_sums(N * N), ahead = 2;
    const char* in[N];
    std::ptrdiff_t to_row[N];
    for (int r = 0; r < N; ++r) in[r] = tile.in[r], to_row[r] = tile.out[r] - tile.out[0];
    Vector doubt{};
    for (int channel = 0; channel < tile.groups; ++channel) {
        ask_for_outputs<1, N, N>(tile, channel + ahead, to_row);
        Vector sums[sets][1][N * N];
        clear(sums);
        take_taps<0, N>(tile, tile.taps + static_cast<std::ptrdiff_t>(channel) * (whole_taps + 1), in, sums);
        join(sums);
        add_begun<1, N, N>(tile, channel, 1, to_row, sums[0]);
        finish<N, N>(tile, tile.out[0] + channel * tile.out_plane, tile.partial + channel * tile.partial_plane, sums[0][0], to_row, doubt);
    }
    if (tile.streams) drain();
    mark_doubt(tile.doubt, doubt);
}

}  // namespace prunus::PRUNUS_ISA
