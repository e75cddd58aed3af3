// Included by each int8_*.cpp: builds the table of functions of its instruction set.
#pragma once

#include "int8_kernel.h"
#if PRUNUS_WIDTH == 16
#include "int8_amx.h"
#endif

namespace prunus::PRUNUS_ISA {

// The sums must fit into the registers, with all inputs and a weight.
constexpr bool int8_fits(int block, int cells) {
    if (block == 16) return cells <= 4 && PRUNUS_AMX;
    return cells <= max_int8_cells && block * cells + (block == 1 ? 2 : cells + 1) <= registers;
}

template <int Kind, int R, int C>
constexpr void add_int8(Int8& int8) {
    constexpr int block = int8_blocks[Kind];
    if constexpr (int8_fits(block, R * C)) {
#if PRUNUS_AMX
        if constexpr (block == 16) {
            int8.tiles[Kind][R - 1][C - 1][0] = int8_tiles_kernel<R, C, 1>;
            int8.tiles[Kind][R - 1][C - 1][1] = int8_tiles_kernel<R, C, 2>;
        }
#endif
        if constexpr (block < 16) {
            int8.tiles[Kind][R - 1][C - 1][0] = int8_kernel<block, R, C, 1>;
            int8.tiles[Kind][R - 1][C - 1][1] = int8_kernel<block, R, C, 2>;
        }
    }
    if constexpr (R * (C + 1) <= max_int8_cells)
        add_int8<Kind, R, C + 1>(int8);
    else if constexpr (R < max_int8_rows)
        add_int8<Kind, R + 1, 1>(int8);
    else if constexpr (Kind + 1 < int8_block_kinds)
        add_int8<Kind + 1, 1, 1>(int8);
}

inline void nothing() {}

constexpr Int8 make_int8() {
    Int8 int8{};
    int8.quantize = quantize_row;
    int8.dequantize = dequantize_row;
    int8.add = add_row;
    int8.begin = int8.end = nothing;
#if PRUNUS_AMX
    int8.begin = begin_tiles;
    int8.end = end_tiles;
#endif
    add_int8<0, 1, 1>(int8);
    return int8;
}

}  // namespace prunus::PRUNUS_ISA
