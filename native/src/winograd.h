// Dense convolutions of 3x3 with 16 instead of 36 multiplications for each 2x2 outputs: F(2x2, 3x3) of Winograd, as in
// Lavin and Gray 2016.
#pragma once

#include <memory>
#include <vector>

#include "conv.h"

namespace prunus {

// 4x4 inputs of `tiles` neighbours in a row of tiles, and where their 16 factors go. Planes and products: bytes from a
// channel, and from a factor, to the next.
struct WinogradInput {
    const char* in;
    std::ptrdiff_t plane;
    int channels, tiles;
    std::ptrdiff_t at[16];  // bytes from `in` to the inputs of the first tile
    char* out;
    std::ptrdiff_t out_product, out_plane;
};

// 16 products of `tiles` neighbours in a row of tiles, and where their 2x2 outputs go.
struct WinogradOutput {
    const char* in;
    std::ptrdiff_t product, plane;
    char* out;  // the first of them, first channel
    std::ptrdiff_t out_plane, out_row;
    std::ptrdiff_t residual;  // bytes from an output to what is added to it
    bool has_residual;
    const float* bias;  // one per channel
    int channels, tiles;
    int rows, columns;  // of the outputs that lie in the image
    float low, high;
    float* doubt;  // gets a NaN where a finished value is not finite
};

class Winograd : public Step {
   public:
    // As of Conv, whose shape must be a kernel of 3x3 with padding 1, stride, dilation and groups 1. Of the choice: the
    // output channels of a product, its vectors of tiles of 2x2 outputs (across channels: its tiles), and how many of these
    // products use the same weights one after the other.
    Winograd(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual, const float* weights,
             const float* bias, const Activation& activation, const ConvChoice& choice, int threads);

    void run(Bases bases, Threads& threads) const override;
    std::ptrdiff_t size_bytes() const override;

   private:
    // Some tiles of one row of them: as many as there are where lanes are pixels, else one.
    struct Unit {
        int image, y, x, tiles;
    };
    void check(const ConvShape& shape) const;
    void run_directly(Bases bases, Threads& threads) const;
    void transform_weights();
    void lay_out_entries();
    void run_units(float* memory, int first, int last, int part, float* scratch) const;
    Unit unit_of(int index) const;
    void transform_input(const float* memory, const Unit& unit, float* to) const;
    void multiply(int floats, int first_group, int last_group, const float* from, float* to) const;
    void transform_output(float* memory, const Unit& unit, int first_channel, int last_channel, const float* from) const;

    const Isa& isa_;
    ConvShape shape_;
    View in_, out_;
    std::unique_ptr<View> residual_;
    ConvChoice choice_;
    Activation activation_;
    bool finite_;
    int threads_, tile_rows_, tile_columns_;
    int at_once_;  // output channels
    int cell_;     // floats of a product's cell
    int unit_;     // floats of a unit, by the channel
    int units_, units_at_once_, runs_, parts_, blocks_, groups_;
    std::ptrdiff_t plane_, in_product_, out_product_;  // floats from a channel, and from one of the 16, to the next, in the scratch memory
    std::vector<float> weights_;
    Stream<float> transformed_;  // [16][blocks][groups][channels of the block][output channels of a group]
    std::vector<float> bias_, no_bias_;
    std::vector<std::uint32_t> offsets_;  // the same for each of the 16
    std::vector<Span> spans_;             // [blocks][groups]
};

}  // namespace prunus
