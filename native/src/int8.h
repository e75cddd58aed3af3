// Convolutions in whole numbers: bytes times weights of 8 bits, and what bytes need besides.
//
// A tensor of bytes lies as one of floats with a quarter of the channels: 32 bits hold four channels of a pixel, a quad,
// the first in the lowest byte. Its margins hold the zero point, so that padding needs no special case here either.
#pragma once

#include <cstddef>
#include <cstdint>

namespace prunus {

constexpr int quad = 4;

// Outputs of a block of weights: it has four inputs, at one place of the kernel.
constexpr int int8_blocks[] = {1, 4, 16};
constexpr int int8_block_kinds = 3;
constexpr int max_int8_rows = 4;
constexpr int max_int8_cells = 16;

// What becomes of the sum over a channel's products: (sum + correction) * factor + addend, and so on as the members say.
struct Int8Finish {
    const std::int32_t* corrections;  // one per channel, as the two below: what the input's zero point takes away
    const float* factors;
    const float* addends;
    // Before a residual is added: rounded between two bounds, times a factor.
    bool rounds_first;
    float first_low, first_high, first_factor;
    bool has_residual;            // of bytes where the output is of bytes, else of floats
    std::int32_t residual_zero;   // of bytes: (residual - zero) * factor is added
    float residual_factor;
    float low, high;              // bounds of the value
    bool floats;                  // the value is stored as it is; else rounded, plus the zero point, in a byte
    std::int32_t zero;
};

// A tile is `rows` x `columns` cells (vectors of quads) of the output, computed for a range of output channels that are
// taken in groups of a block. Each group has a stream of entries: the distance in bytes from a cell's input to the input
// wanted, and a quad of weights for each output of the group.
struct Int8Tile {
    const char* in[max_int8_rows];   // input of the first cell of each row
    char* out[max_int8_rows];        // first cell of each row; of the first quad, or of the first channel of floats
    std::ptrdiff_t out_plane;        // bytes from a quad to the next, or from a channel of floats
    std::ptrdiff_t residual;         // bytes from an output cell to the residual's
    const std::uint32_t* offsets;    // one per entry
    const std::int32_t* weights;     // one per entry and output of the block
    const std::int32_t* begins;      // where the entries of each group begin, and the end
    int first_group, last_group;
    int channels;                    // of the layer
    const std::int32_t* mask;        // all ones where a lane of a row is stored, zeros where it is margin; none: all are
    Int8Finish finish;
};

using Int8Kernel = void (*)(const Int8Tile&);

// out = rounded(value between low and high) + zero of value = (left - left_zero) * left_factor [+ the same of right].
struct Int8Sum {
    std::int32_t left_zero, right_zero;
    float left_factor, right_factor;
    float low, high;
    std::int32_t zero;
};

// Bounds of the whole number: low <= x / scale + zero <= high.
struct Int8Scale {
    float scale;
    std::int32_t zero, low, high;
};

// The functions of one instruction set.
struct Int8 {
    // Of `count` pixels; a channel that is not there has no row.
    void (*quantize)(const Int8Scale&, const float* const (&in)[quad], std::int32_t* out, std::ptrdiff_t count);
    void (*dequantize)(const Int8Scale&, const std::int32_t* in, float* const (&out)[quad], std::ptrdiff_t count);
    void (*add)(const Int8Sum&, const std::int32_t* left, const std::int32_t* right, std::int32_t* out, std::ptrdiff_t count);
    // Before and after a thread runs kernels of blocks of 16.
    void (*begin)();
    void (*end)();
    Int8Kernel tiles[int8_block_kinds][max_int8_rows][max_int8_cells][2];

    // None where no such kernel is compiled.
    Int8Kernel tile(int block, int rows, int columns, int stride) const;
};

}  // namespace prunus
