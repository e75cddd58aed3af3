// The instruction sets this library is compiled for, and the choice among those that the machine has.
#pragma once

#include <string>
#include <vector>

#include "activation.h"
#include "int8.h"
#include "tile.h"

namespace prunus {

struct PoolShape;
struct PoolPlane;
struct WinogradInput;
struct WinogradOutput;

// Output channels that a tile kernel computes at once: 1 and 2 are sparse forms, the others are for dense layers. With
// `across` it is a vector of them, one a lane, and a cell of the tile is a pixel. `whole` is a sparse form of one, whose
// tile is a whole image.
constexpr int across = 0, whole = 3;
constexpr int group_sizes[] = {1, 2, whole, 4, 6, across};
constexpr int group_kinds = 6;
constexpr bool is_sparse(int group) { return group >= 1 && group <= whole; }

// The functions of one instruction set. Some differ in those for bytes alone.
struct Isa {
    const char* name;
    int width;  // floats in a vector
    int registers;  // vectors that fit into the processor at once
    void (*activate)(const Activation&, float* row, std::ptrdiff_t count);
    void (*combine)(int op, std::ptrdiff_t count, float* out, std::ptrdiff_t out_step, const float* left, std::ptrdiff_t left_step,
                    const float* right, std::ptrdiff_t right_step);
    void (*softmax)(const float* in, float* out, std::ptrdiff_t count);
    void (*layer_norm)(const float* in, float* out, std::ptrdiff_t count, const float* scale, const float* shift, float epsilon);
    float (*sum_row)(const float* in, std::ptrdiff_t count);
    float (*zero_times)(const float* in, std::ptrdiff_t count);
    void (*pool)(const PoolShape&, const PoolPlane&);
    void (*winograd_input[2])(const WinogradInput&);    // lanes are of the batch; are pixels
    void (*winograd_output[2])(const WinogradOutput&);
    void (*matmul)(const float* left, std::ptrdiff_t left_row, const float* right, std::ptrdiff_t right_row, float* out,
                   std::ptrdiff_t out_row, std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t columns);
    float (*dot)(const float* weights, const float* in, std::ptrdiff_t count);
    float (*sparse_dot)(const float* values, const std::uint16_t* indices, const float* in, std::ptrdiff_t count);
    TileKernel tiles[group_kinds][max_tile_rows][max_tile_cells][2];
    const Int8* int8;

    // None where no such kernel is compiled: its sums would not fit into the registers.
    TileKernel tile(int group, int rows, int columns, int stride) const;
};

std::vector<std::string> isas_compiled();
std::vector<std::string> isas_of_this_machine();  // the best one last

// By name; "" is what PRUNUS_ISA says, else the best. Throws std::invalid_argument for one that is unknown or not had here.
const Isa& choose_isa(const std::string& name);

}  // namespace prunus
