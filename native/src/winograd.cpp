#include "winograd.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "pieces.h"

namespace prunus {
namespace {

constexpr int products = 16;

// An odd number of cache lines, or channels' factors would share the first cache's sets.
std::ptrdiff_t apart(std::ptrdiff_t floats) { return (floats / 16 | 1) * 16 + 32; }

}  // namespace

Winograd::Winograd(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual, const float* weights,
                   const float* bias, const Activation& activation, const ConvChoice& given, int threads)
    : isa_(isa), shape_(shape), in_(in), out_(out), choice_(given.checked(in.channels)), activation_(activation), threads_(threads) {
    const ConvChoice& choice = choice_;
    const bool pixels = in.lanes == 1;
    check(shape);
    if (residual) {
        if (!residual->same_layout(out)) throw std::invalid_argument("a residual must be laid out as the output is");
        residual_ = std::make_unique<View>(*residual);
    }
    weights_.assign(weights, weights + static_cast<std::ptrdiff_t>(out.channels) * in.channels * 9);
    finite_ = std::all_of(weights_.begin(), weights_.end(), [](float weight) { return std::isfinite(weight); });
    bias_.assign(bias, bias + out.channels);
    tile_rows_ = divide_up(out.height, 2), tile_columns_ = divide_up(out.width, 2);
    at_once_ = choice.group == across ? isa.width : choice.group;
    cell_ = choice.group == across ? 1 : isa.width;
    unit_ = pixels ? tile_columns_ : isa.width;
    units_ = out.images * tile_rows_ * (pixels ? 1 : tile_columns_);
    units_at_once_ = std::min(units_, std::max(1, choice.rows * choice.columns * cell_ / unit_));
    blocks_ = divide_up(in.channels, choice.block);
    groups_ = divide_up(out.channels, at_once_);
    runs_ = divide_up(units_, units_at_once_);  // whatever the number of threads: the width of a product decides in which order it is summed
    parts_ = runs_ < 8 * threads ? std::min(groups_, threads) : 1;
    no_bias_.assign(static_cast<std::size_t>(groups_) * at_once_, 0.0f);
    // Lanes that are pixels are written a vector at a time, past the last tile.
    plane_ = divide_up(units_at_once_ * unit_ + (pixels ? isa.width : 0), isa.width) * isa.width;
    in_product_ = apart(in.channels * plane_);
    out_product_ = apart(groups_ * at_once_ * plane_);
    transform_weights();
    lay_out_entries();
}

void Winograd::check(const ConvShape& shape) const {
    const bool plain = shape.kernel_height == 3 && shape.kernel_width == 3 && shape.stride_y == 1 && shape.stride_x == 1 && shape.pad_y == 1 &&
                       shape.pad_x == 1 && shape.dilation_y == 1 && shape.dilation_x == 1 && shape.groups == 1;
    const bool alike = in_.lanes == out_.lanes && (in_.lanes == 1 || in_.lanes == isa_.width) && in_.images == out_.images && in_.height == out_.height &&
                       in_.width == out_.width && in_.row >= static_cast<std::ptrdiff_t>(in_.width + 1) * in_.lanes && in_.plane >= in_.row * (in_.height + 1);
    if (!plain || !alike) throw std::invalid_argument("this convolution is not one of 3x3 with stride 1");
    if (is_sparse(choice_.group) || (choice_.group == across && in_.lanes != 1) || !isa_.tile(choice_.group, 1, choice_.columns, 1))
        throw std::invalid_argument("there is no kernel of so many channels and tiles");
}

// G g transposed G of each kernel g, in double.
void Winograd::transform_weights() {
    static constexpr double by[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    const int K = at_once_;
    const std::ptrdiff_t product = static_cast<std::ptrdiff_t>(groups_) * K * in_.channels;
    transformed_.assign(static_cast<std::size_t>(products * product), 0.0f);
    for (int channel = 0; channel < out_.channels; ++channel)
        for (int block = 0, c = 0; c < in_.channels; ++c) {
            if (c == piece_begin(in_.channels, blocks_, block + 1)) ++block;
            const int begin = piece_begin(in_.channels, blocks_, block), size = piece_begin(in_.channels, blocks_, block + 1) - begin;
            const float* kernel = weights_.data() + (static_cast<std::ptrdiff_t>(channel) * in_.channels + c) * 9;
            double rows[4][3] = {};
            for (int y = 0; y < 4; ++y)
                for (int x = 0; x < 3; ++x)
                    for (int k = 0; k < 3; ++k) rows[y][x] += by[y][k] * kernel[k * 3 + x];
            float* to = transformed_.data() + static_cast<std::ptrdiff_t>(begin) * groups_ * K +
                        (static_cast<std::ptrdiff_t>(channel / K) * size + c - begin) * K + channel % K;
            for (int y = 0; y < 4; ++y)
                for (int x = 0; x < 4; ++x) {
                    double sum = 0;
                    for (int k = 0; k < 3; ++k) sum += by[x][k] * rows[y][k];
                    to[(y * 4 + x) * product] = static_cast<float>(sum);
                }
        }
}

void Winograd::lay_out_entries() {
    for (int block = 0; block < blocks_; ++block) {
        const int begin = piece_begin(in_.channels, blocks_, block), end = piece_begin(in_.channels, blocks_, block + 1);
        for (int group = 0; group < groups_; ++group) {
            const auto first = static_cast<std::int32_t>(offsets_.size());
            for (int c = begin; c < end; ++c) offsets_.push_back(static_cast<std::uint32_t>(c * plane_ * 4));
            spans_.push_back({{}, {}, {first, static_cast<std::int32_t>(offsets_.size())}, 0, 0});
        }
    }
}

void Winograd::run(Bases bases, Threads& threads) const {
    const bool in_place = residual_ && residual_->offset == out_.offset;  // what was added is gone afterwards
    if (!finite_ || (in_place && in_doubt(isa_, in_, bases, threads))) return run_directly(bases, threads);
    if (out_.doubt >= 0) bases[0][out_.doubt] = 0;
    threads.run(runs_ * parts_, [&](int item) {
        float* const scratch = scratch_memory(products * (in_product_ + out_product_) + groups_ * at_once_ * (plane_ + choice_.columns));
        const int run = item % runs_;
        run_units(bases[0], piece_begin(units_, runs_, run), piece_begin(units_, runs_, run + 1), item / runs_, scratch);
    });
    if (!in_place && in_doubt(isa_, out_, bases, threads)) run_directly(bases, threads);
}

// For what is not finite: it would spread over all of 2x2 outputs. Slow and rare.
void Winograd::run_directly(Bases bases, Threads& threads) const {
    const ConvChoice direct{out_.lanes == 1 ? across : 4, 1, out_.lanes == 1 ? 1 : 2, in_.channels};
    Conv(isa_, shape_, in_, out_, residual_.get(), weights_.data(), bias_.data(), activation_, direct, threads_).run(bases, threads);
}

void Winograd::run_units(float* memory, int first, int last, int part, float* scratch) const {
    float* const sums = scratch + products * in_product_;
    const int first_group = piece_begin(groups_, parts_, part), last_group = piece_begin(groups_, parts_, part + 1);
    for (int unit = first; unit < last; ++unit) transform_input(memory, unit_of(unit), scratch + (unit - first) * unit_);
    multiply((last - first) * unit_, first_group, last_group, scratch, sums);
    const int first_channel = first_group * at_once_, last_channel = std::min(out_.channels, last_group * at_once_);
    for (int unit = first; unit < last; ++unit)
        transform_output(memory, unit_of(unit), first_channel, last_channel, sums + (unit - first) * unit_);
}

Winograd::Unit Winograd::unit_of(int index) const {
    const int columns = in_.lanes == 1 ? 1 : tile_columns_, in_image = index % (tile_rows_ * columns);
    return {index / (tile_rows_ * columns), in_image / columns * 2, in_image % columns * 2, in_.lanes == 1 ? tile_columns_ : 1};
}

void Winograd::transform_input(const float* memory, const Unit& unit, float* to) const {
    const float* from = memory + in_.offset + unit.image * in_.image;
    WinogradInput of{reinterpret_cast<const char*>(from), in_.plane * 4, in_.channels, unit.tiles, {}, reinterpret_cast<char*>(to),
                     in_product_ * 4, plane_ * 4};
    for (int i = 0; i < products; ++i) {  // what lies beyond the margin reaches only what is not stored
        const int y = std::min(unit.y - 1 + i / 4, in_.height), x = unit.x - 1 + i % 4;
        of.at[i] = (y * in_.row + static_cast<std::ptrdiff_t>(in_.lanes > 1 ? std::min(x, in_.width) : x) * in_.lanes) * 4;
    }
    isa_.winograd_input[in_.lanes == 1](of);
}

void Winograd::multiply(int floats, int first_group, int last_group, const float* from, float* to) const {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const int K = at_once_;
    float unread = 0;
    Tile tile{};
    tile.doubt = &unread;
    tile.out_plane = plane_ * 4;
    tile.partial_plane = (choice_.group == across ? choice_.columns : plane_) * 4;
    float* const partial = to + products * out_product_;
    tile.offsets = offsets_.data();
    tile.bias = no_bias_.data();
    tile.groups = last_group - first_group, tile.channels = tile.groups * K;
    tile.low = -infinity, tile.high = infinity;
    const int cells = divide_up(floats, cell_), pieces = divide_up(cells, choice_.columns);
    for (int product = 0; product < products; ++product) {
        tile.values = transformed_.data() + static_cast<std::ptrdiff_t>(product) * groups_ * K * in_.channels;
        for (int block = 0; block < blocks_; ++block) {
            tile.first = block == 0, tile.last = choice_.group == across && block == blocks_ - 1;
            tile.spans = spans_.data() + block * groups_ + first_group;
            for (int piece = 0; piece < pieces; ++piece) {
                const int begin = piece_begin(cells, pieces, piece), end = piece_begin(cells, pieces, piece + 1);
                tile.in[0] = reinterpret_cast<const char*>(from + product * in_product_ + begin * cell_);
                tile.out[0] = reinterpret_cast<char*>(to + product * out_product_ + first_group * K * plane_ + begin * cell_);
                // A cell across channels holds some of each: only the last block takes these apart.
                tile.partial = choice_.group == across ? reinterpret_cast<char*>(partial + piece * groups_ * K * choice_.columns) : tile.out[0];
                isa_.tile(choice_.group, 1, end - begin, 1)(tile);
            }
        }
    }
}

void Winograd::transform_output(float* memory, const Unit& unit, int first_channel, int last_channel, const float* from) const {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const bool relu = activation_.function == Function::relu, clip = activation_.function == Function::clip;
    float* const out = memory + out_.offset + unit.image * out_.image + first_channel * out_.plane + unit.y * out_.row +
                       static_cast<std::ptrdiff_t>(unit.x) * out_.lanes;
    float unread = 0;
    WinogradOutput to{};
    to.in = reinterpret_cast<const char*>(from + first_channel * plane_), to.product = out_product_ * 4, to.plane = plane_ * 4;
    to.out = reinterpret_cast<char*>(out), to.out_plane = out_.plane * 4, to.out_row = out_.row * 4;
    if (residual_) to.has_residual = true, to.residual = (residual_->offset - out_.offset) * 4;
    to.bias = bias_.data() + first_channel;
    to.channels = last_channel - first_channel, to.tiles = unit.tiles;
    to.rows = std::min(2, out_.height - unit.y), to.columns = std::min(2 * unit.tiles, out_.width - unit.x);
    to.low = relu ? 0.0f : clip ? activation_.a : -infinity, to.high = clip ? activation_.b : infinity;
    to.doubt = out_.doubt >= 0 ? memory + out_.doubt : &unread;
    isa_.winograd_output[out_.lanes == 1](to);
    if (activation_.function == Function::none || relu || clip) return;
    for (int channel = 0; channel < to.channels; ++channel)
        for (int row = 0; row < to.rows; ++row) isa_.activate(activation_, out + channel * out_.plane + row * out_.row, to.columns * out_.lanes);
}

std::ptrdiff_t Winograd::size_bytes() const {
    return static_cast<std::ptrdiff_t>(4 * (weights_.size() + transformed_.size() + bias_.size() + offsets_.size()) + spans_.size() * sizeof(Span));
}

}  // namespace prunus
