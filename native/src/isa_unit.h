// Included by each isa_*.cpp: builds the table of functions of its instruction set.
#pragma once

#include "isa.h"
#include "channel_kernel.h"
#include "pool_kernel.h"
#include "row_kernels.h"
#include "tile_kernel.h"
#include "whole_kernel.h"
#include "winograd_kernel.h"

namespace prunus::PRUNUS_ISA {

// The sums must fit into the registers, with two weights and an input of a sparse form, a weight and an input across
// channels, or with all inputs and a weight.
constexpr bool fits(int group, int cells) {
    if (group == across) return cells + 2 <= registers;
    return group * cells + (is_sparse(group) ? 3 : cells + 1) <= registers;
}

template <int Kind, int R, int C>
constexpr void add_tile(Isa& isa) {
    constexpr int group = group_sizes[Kind];
    if constexpr (group == whole) {
        if constexpr (R == C && R > 1 && fits(1, R * C)) isa.tiles[Kind][R - 1][C - 1][0] = whole_kernel<R>;
    } else if constexpr (fits(group, R * C) && group == across) {
        isa.tiles[Kind][R - 1][C - 1][0] = channel_kernel<R, C, 1>;
        isa.tiles[Kind][R - 1][C - 1][1] = channel_kernel<R, C, 2>;
    } else if constexpr (fits(group, R * C)) {
        isa.tiles[Kind][R - 1][C - 1][0] = tile_kernel<group, R, C, 1>;
        isa.tiles[Kind][R - 1][C - 1][1] = tile_kernel<group, R, C, 2>;
    }
    if constexpr (R * (C + 1) <= max_tile_cells)
        add_tile<Kind, R, C + 1>(isa);
    else if constexpr (R < max_tile_rows)
        add_tile<Kind, R + 1, 1>(isa);
    else if constexpr (Kind + 1 < group_kinds)
        add_tile<Kind + 1, 1, 1>(isa);
}

constexpr Isa make_isa(const char* name) {
    Isa isa{};
    isa.name = name;
    isa.width = width;
    isa.registers = registers;
    isa.activate = activate<>;
    isa.combine = combine;
    isa.softmax = softmax;
    isa.layer_norm = layer_norm;
    isa.sum_row = sum_row;
    isa.zero_times = zero_times;
    isa.pool = pool;
    isa.winograd_input[0] = winograd_input_cells;
    isa.winograd_input[1] = winograd_input_pixels;
    isa.winograd_output[0] = winograd_output_cells;
    isa.winograd_output[1] = winograd_output_pixels;
    isa.matmul = matmul;
    isa.dot = dot;
    isa.sparse_dot = sparse_dot;
    add_tile<0, 1, 1>(isa);
    return isa;
}

}  // namespace prunus::PRUNUS_ISA
