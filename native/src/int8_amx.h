// The tile kernels of blocks of 16 outputs, by matrix instructions: a block is a column of a tile of weights, its bytes are
// one line of 64. The lines of the blocks that are left are copied into a tile's rows, and one instruction multiplies 16 of
// them. Where the instructions are not compiled, plain C++ takes their place, for tests.
#pragma once

#include <cstring>

#include "int8_kernel.h"

namespace prunus::PRUNUS_ISA {

constexpr int tile_rows = 16, tile_line = 64, tile_bytes = tile_rows * tile_line;
static_assert(vector_bytes == tile_line, "a vector of bytes is a row of a tile");

#if defined(__AMX_INT8__)
struct __attribute__((packed)) TileConfig {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
};

// The intrinsics do not tell compilers that they read this memory.
inline void written(const void* memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

inline void begin_tiles() {
    TileConfig config;
    for (int i = 0; i < 8; ++i) config.row_bytes[i] = tile_line, config.rows[i] = tile_rows;
    written(&config);
    _tile_loadconfig(&config);
}
// Other code of the process finds the tiles as if nobody had used them.
inline void end_tiles() { _tile_release(); }

// The instructions name their tiles by literal numbers: sums in 0 to 3, weights in 4, bytes in 5.
template <int T>
inline void clear_sums() {
    if constexpr (T == 0) _tile_zero(0);
    if constexpr (T == 1) _tile_zero(1);
    if constexpr (T == 2) _tile_zero(2);
    if constexpr (T == 3) _tile_zero(3);
}
template <int T>
inline void store_sums(void* to, std::size_t stride) {
    if constexpr (T == 0) _tile_stored(0, to, stride);
    if constexpr (T == 1) _tile_stored(1, to, stride);
    if constexpr (T == 2) _tile_stored(2, to, stride);
    if constexpr (T == 3) _tile_stored(3, to, stride);
}
inline void load_weights(const void* from) { _tile_loadd(4, from, tile_line); }
template <int T>
inline void multiply(const void* bytes) {
    written(bytes);
    if constexpr (T % 2 == 0) _tile_loadd(5, bytes, tile_line);
    if constexpr (T % 2 == 1) _tile_loadd(6, bytes, tile_line);
    if constexpr (T == 0) _tile_dpbsud(0, 4, 5);
    if constexpr (T == 1) _tile_dpbsud(1, 4, 6);
    if constexpr (T == 2) _tile_dpbsud(2, 4, 5);
    if constexpr (T == 3) _tile_dpbsud(3, 4, 6);
}
#else
struct Tiles {
    std::int32_t sums[4][tile_rows][tile_rows];
    std::int8_t weights[tile_rows][tile_line];
};
inline Tiles& tiles() {
    static thread_local Tiles all;
    return all;
}
inline void begin_tiles() {}
inline void end_tiles() {}
template <int T>
inline void clear_sums() { std::memset(tiles().sums[T], 0, sizeof tiles().sums[T]); }
template <int T>
inline void store_sums(void* to, std::size_t stride) {
    for (int row = 0; row < tile_rows; ++row) std::memcpy(static_cast<char*>(to) + row * stride, tiles().sums[T][row], tile_line);
}
inline void load_weights(const void* from) { std::memcpy(tiles().weights, from, tile_bytes); }
template <int T>
inline void multiply(const void* given) {
    const std::uint8_t* const bytes = static_cast<const std::uint8_t*>(given);
    for (int row = 0; row < tile_rows; ++row)
        for (int i = 0; i < tile_line; ++i)
            for (int lane = 0; lane < tile_rows; ++lane) tiles().sums[T][row][lane] += tiles().weights[row][i] * bytes[i / 4 * tile_line + 4 * lane + i % 4];
}
#endif

template <int T, int P>
inline __attribute__((always_inline)) void clear_all() {
    clear_sums<T>();
    if constexpr (T + 1 < P) clear_all<T + 1, P>();
}
template <int T, int P>
inline __attribute__((always_inline)) void store_all(Lanes* to) {
    store_sums<T>(to + T, P * tile_line);
    if constexpr (T + 1 < P) store_all<T + 1, P>(to);
}
template <int T, int R, int C, int Stride>
inline __attribute__((always_inline)) void multiply_all(const std::uint32_t* offsets, const char* const (&in)[R], char (*lines)[tile_bytes]) {
    const char* const from = in[T / C] + T % C * Stride * tile_line;
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) store_lanes(lines[T] + i * tile_line, load_lanes(from + offsets[i]));
    multiply<T>(lines[T]);
    if constexpr (T + 1 < R * C) multiply_all<T + 1, R, C, Stride>(offsets, in, lines);
}

// Entries come in sixteens, with the weights of each output for all of them one after the other.
template <int R, int C, int Stride>
void int8_tiles_kernel(const Int8Tile& given) {
    constexpr int cells = R * C;
    const Int8Tile tile = given;
    const char* in[R];
    for (int r = 0; r < R; ++r) in[r] = tile.in[r];
    alignas(64) char lines[cells][tile_bytes];
    alignas(64) Lanes sums[tile_rows * cells];
    const int quads = (tile.channels + quad - 1) / quad;
    for (int group = tile.first_group; group < tile.last_group; ++group) {
        clear_all<0, cells>();
        for (std::ptrdiff_t i = tile.begins[group]; i < tile.begins[group + 1]; i += tile_rows) {
            load_weights(tile.weights + i * tile_rows);
            multiply_all<0, R, C, Stride>(tile.offsets + i, in, lines);
        }
        store_all<0, cells>(sums);
        for (int q = 0; q < 4 && 4 * group + q < quads; ++q) finish_quad(tile, 4 * group + q, sums + q * quad * cells, R, C);
    }
}

}  // namespace prunus::PRUNUS_ISA
