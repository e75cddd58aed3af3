// Convolution of bytes with weights of 8 bits: how the blocks that are left are laid out for the tile kernels, and how its
// tiles are shared among threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "conv_shape.h"
#include "int8.h"
#include "isa.h"
#include "pages.h"
#include "step.h"
#include "view.h"

namespace prunus {

struct Int8Choice {
    int block;    // outputs of a block of weights
    int rows;     // of the tile
    int columns;  // of the tile, in vectors
};

// What a layer computes with the sums of its products, for each channel and for all: as Int8Finish, which see.
struct Int8Layer {
    const std::int8_t* weights;  // [out channels, in channels / groups, kernel height, kernel width], row-major
    const float* factors;
    const float* addends;
    int in_channels, out_channels;
    std::int32_t input_zero;
    Int8Finish finish;  // its arrays are not looked at
};

class Int8Conv : public Step {
   public:
    // in: of quads, the zero point in its margins; out: of quads, or of channels where floats are stored; residual: laid out
    // as the output. Throws std::invalid_argument where the choice or the layouts do not fit, or a sum could overflow.
    Int8Conv(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual, const Int8Layer& layer,
             const Int8Choice& choice, int threads);

    void run(Bases bases, Threads& threads) const override;
    std::ptrdiff_t size_bytes() const override;
    std::ptrdiff_t blocks() const { return static_cast<std::ptrdiff_t>(blocks_); }  // that are left

   private:
    void check(const View* residual) const;
    void add_channels(const Int8Layer& layer);
    void add_entries(const Int8Layer& layer);
    void add_group(const Int8Layer& layer, int group);
    void share();
    void mask_margins();
    void run_part(Bases bases, int first_tile, int last_tile, int part) const;

    const Isa& isa_;
    ConvShape shape_;
    View in_, out_;
    Int8Choice choice_;
    int in_channels_, out_channels_, groups_;
    bool flat_;  // vectors are pixels of a row, rows follow each other
    int threads_, rows_, image_rows_, columns_, row_groups_, column_groups_;
    std::ptrdiff_t residual_ = 0, least_offset_;
    Int8Finish finish_;
    std::size_t blocks_ = 0;
    int runs_ = 1;
    std::vector<int> parts_;  // the first group of each, and the end
    std::vector<std::int32_t> begins_, corrections_, mask_;
    std::vector<float> factors_, addends_;
    Stream<std::uint32_t> offsets_;
    Stream<std::int32_t> weights_;
};

}  // namespace prunus
