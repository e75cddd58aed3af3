// Where a tensor lies in the engine's memory.
#pragma once

#include <cstddef>

namespace prunus {

// A tensor [images * lanes, channels, height, width] in cells of `lanes` neighbours of the batch. With as many lanes as a
// vector has floats, the batch is innermost; with one lane, pixels of a row are neighbours. Strides and offset count floats.
// What lies between the end of a row and the next, and between the last row and the next channel, is margin: always zero,
// so that padding needs no special case.
struct View {
    std::ptrdiff_t offset;  // from the beginning of the memory to pixel (0, 0) of the first channel
    int images, channels, height, width, lanes;
    std::ptrdiff_t image, plane, row;
    // Where the step that writes the tensor leaves 0 if all of it is finite, else NaN; -1: it does not.
    std::ptrdiff_t doubt;

    bool same_layout(const View& other) const {
        return images == other.images && height == other.height && width == other.width && lanes == other.lanes &&
               row == other.row && plane == other.plane;
    }
};

}  // namespace prunus
