// What the convolution driver hands to a tile kernel. Plain data, the same for every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace prunus {

constexpr int max_tile_rows = 4;
constexpr int max_tile_cells = 24;

// A tile is `rows` x `columns` cells (vectors) of the output, computed for a range of output channels that are taken in
// groups of K. Each group has a stream of entries: the distance in bytes from a cell's input to the input wanted, and the
// group's K weights for it.
struct Tile {
    const char* in[max_tile_rows];  // input of the first cell of each row
    char* out[max_tile_rows];       // first cell of each row, first channel of the range
    std::ptrdiff_t out_plane;       // bytes from a channel to the next
    char* partial;                  // where sums stay between two blocks: cells of the first channel, row after row
    std::ptrdiff_t partial_plane;   // bytes from a channel to the next
    std::ptrdiff_t residual;        // bytes from an output cell to the cell that is added to it
    const std::int32_t* begins;     // where each group's entries begin
    const std::int32_t* ends;       // and end; those of a group may be left out in part
    const std::uint32_t* offsets;   // one per entry
    const float* values;            // K per entry
    const float* bias;              // one per channel of the range
    const std::int32_t* mask;       // all ones where a lane of a row is stored, zeros where 0 is; none: all are
    float* doubt;                   // gets a NaN where a finished value is not finite
    int groups;
    int channels;  // of the range; the last group may be short of K
    float low, high;
    bool first, last;  // of the blocks of input channels: begin with the bias; finish and clamp
    bool has_residual;
    bool streams;  // finished values go to memory past the caches; then all cells lie at multiples of a vector's bytes
};

using TileKernel = void (*)(const Tile&);

}  // namespace prunus
