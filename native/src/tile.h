// What the convolution driver hands to a tile kernel. Plain data, the same for every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace prunus {

constexpr int max_tile_rows = 4;
constexpr int max_tile_cells = 24;
constexpr int whole_taps = 9;  // of the kernels for which tiles of a whole image are compiled

struct EntryRange {
    std::int32_t begin, end;
};

// Where the entries of one group of output channels lie; the dense forms have the rest only. Those of the first two ranges
// come in twos.
// Of one channel, `shared` wants neighbours: the second the input one cell to the right of the first's, so that what is
// loaded serves both. Of `couples` the first has nothing to add to the first column of a tile, nor the second to the last.
// Of two channels, `shared` is one input with a weight of each, `couples` an entry of each.
struct Span {
    EntryRange shared, couples, rest;
    std::int32_t rest_of;  // of two channels: which
    std::int32_t ahead;    // bytes from each row's input to what memory is asked for early
    std::int64_t size() const { return rest.end - rest.begin + couples.end - couples.begin + shared.end - shared.begin; }
};

// A tile is `rows` x `columns` cells (vectors) of the output, computed for a range of output channels that are taken in
// groups of K. Each group has a stream of entries: the distance in bytes from a cell's input to the input wanted, and the
// group's K weights for it.
struct Tile {
    const char* in[max_tile_rows];  // input of the first cell of each row
    char* out[max_tile_rows];       // first cell of each row that is stored, first channel of the range
    std::ptrdiff_t out_plane;       // bytes from a channel to the next
    char* partial;                  // where sums stay between two blocks: cells of the first channel, row after row
    std::ptrdiff_t partial_plane;   // bytes from a channel to the next
    std::ptrdiff_t residual;        // bytes from an output cell to the cell that is added to it
    const Span* spans;              // of each group; entries of a group may be left out in part
    const std::int32_t* taps;       // of a whole image: of each group where the entries of each tap of the kernel begin, and the end
    const std::uint32_t* offsets;   // one per entry
    const float* values;            // K per entry
    const float* bias;              // one per channel of the range
    const std::int32_t* mask;       // all ones where a lane of a row is stored, zeros where 0 is; none: all are
    float* doubt;                   // gets a NaN where a finished value is not finite
    int groups;
    int asked;     // cells of each row that memory is asked for early, with each group
    int channels;  // of the range; the last group may be short of K
    float low, high;
    bool first, last;  // of the blocks of input channels: begin with the bias; finish and clamp
    bool has_residual;
    bool twos;     // some entries of single channels come in twos
    bool pools;    // what is stored is the largest of each 2x2 finished values
    bool streams;  // finished values go to memory past the caches; then all cells lie at multiples of a vector's bytes
};

using TileKernel = void (*)(const Tile&);

}  // namespace prunus
