// What a convolution computes, and how.
#pragma once

namespace prunus {

struct ConvShape {
    int kernel_height, kernel_width, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x, groups;
};

// What is fastest is found by measuring.
struct ConvChoice {
    int group;    // output channels at once; 1 and 2 are sparse forms, `across` is for single images
    int rows;     // of the tile
    int columns;  // of the tile, in vectors; in pixels across channels
    int block;    // input channels whose part of the tile shall stay in the first cache

    // The same choice for a layer of so many input channels: no block has more of them than there are. A choice may come
    // from a file that anybody wrote, so nothing is computed with its numbers before. Throws std::invalid_argument for a tile
    // that is larger than any kernel's, and for an empty block.
    ConvChoice checked(int channels) const;
};

// Of a kernel.
struct KernelRows {
    int first, last;
    bool operator==(const KernelRows& other) const { return first == other.first && last == other.last; }
};

}  // namespace prunus
