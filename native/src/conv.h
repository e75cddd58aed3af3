// Convolution: how the weights are laid out for the tile kernel, and how its tiles are shared among threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "activation.h"
#include "entries.h"
#include "isa.h"
#include "step.h"
#include "view.h"

namespace prunus {

// Whether a tensor holds infinity or NaN.
bool in_doubt(const Isa& isa, const View& view, Bases bases, Threads& threads);

class Conv : public Step {
   public:
    // `weights` is [out channels, in channels / groups, kernel height, kernel width], row-major; `bias` one per out channel.
    // Throws std::invalid_argument where the choice or the layouts do not fit the shape.
    // pooled: where the largest of each 2x2 outputs goes; `out` then says only how they would lie, and is not written.
    Conv(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual, const float* weights,
         const float* bias, const Activation& activation, const ConvChoice& choice, int threads, const View* pooled = nullptr);

    void run(Bases bases, Threads& threads) const override;

    std::ptrdiff_t size_bytes() const override;
    std::ptrdiff_t entries() const { return entries_.count(); }

   private:
    // Rows of one tile: those of `count` outputs, all of which want the rows of the kernel in one range.
    struct RowGroup {
        int rows[max_tile_rows];
        int count, range;
    };
    void check(const ConvShape& shape, bool flat) const;
    void check_pooled() const;
    void check_whole(bool finite) const;
    void group_rows(bool flat, bool finite);
    int taps_of(int row);
    void mask_margins(int columns_of_image);
    void share(const std::vector<std::int64_t>& work);
    void run_tiles(Bases bases, float* out_memory, bool pools, Threads& threads) const;
    void run_unpooled(Bases bases, Threads& threads) const;
    void multiply_zeros(Bases bases, float* out_memory, Threads& threads) const;
    const float* input_of(const float* memory, int row, int column) const;
    int tile_columns() const;
    int column_of(int piece) const;
    void run_part(float* memory, float* out_memory, bool pools, int first_tile, int last_tile, int part) const;
    void activate(const Tile& tile, int row, int count) const;

    const Isa& isa_;
    View in_, out_;
    ConvChoice choice_;
    int at_once_;  // output channels
    int cell_;     // floats
    Activation activation_;
    float low_, high_;  // what the tile kernel itself can do of the activation
    ConvShape shape_;
    bool has_residual_;
    int asked_;     // cells of each row that memory is asked for early with each group; 0 where inputs are in the caches
    bool streams_;  // outputs go to memory past the caches
    std::unique_ptr<View> pooled_;
    int threads_;
    std::ptrdiff_t residual_ = 0;     // floats from an output cell to the residual's
    int stride_, image_rows_, rows_, columns_;  // of cells; rows_ of all images
    std::ptrdiff_t in_row_;
    int blocks_, groups_;
    int runs_;                // of neighbouring tiles: with the parts, what threads take on
    std::vector<int> parts_;  // the first group of each, and the end
    std::vector<KernelRows> ranges_;  // of rows of the kernel: above and below the image there are zeros, which are left out
    std::vector<RowGroup> row_groups_;
    Entries entries_;
    std::vector<float> bias_;
    std::vector<std::int32_t> mask_;
};

}  // namespace prunus
