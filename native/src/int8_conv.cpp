#include "int8_conv.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "pieces.h"

namespace prunus {
namespace {

constexpr int largest_block = 16;

int rounded_up(int value, int by) { return divide_up(value, by) * by; }

}  // namespace

Int8Kernel Int8::tile(int block, int rows, int columns, int stride) const {
    const auto kind = std::find(std::begin(int8_blocks), std::end(int8_blocks), block) - std::begin(int8_blocks);
    const bool known = kind < int8_block_kinds && rows >= 1 && rows <= max_int8_rows && columns >= 1 && columns <= max_int8_cells && stride >= 1 && stride <= 2;
    return known ? tiles[kind][rows - 1][columns - 1][stride - 1] : nullptr;
}

Int8Conv::Int8Conv(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual,
                   const Int8Layer& layer, const Int8Choice& choice, int threads)
    : isa_(isa), shape_(shape), in_(in), out_(out), choice_(choice), in_channels_(layer.in_channels), out_channels_(layer.out_channels),
      groups_(divide_up(rounded_up(layer.out_channels, quad), choice.block)), flat_(in.lanes == 1), threads_(threads), finish_(layer.finish) {
    finish_.has_residual = residual != nullptr;
    check(residual);
    if (residual) residual_ = residual->offset - out.offset;
    image_rows_ = flat_ ? 1 : out.height;
    rows_ = image_rows_ * out.images;
    columns_ = flat_ ? divide_up(static_cast<int>((out.height - 1) * out.row) + out.width, isa.width) : out.width;
    row_groups_ = divide_up(rows_, choice.rows);
    column_groups_ = divide_up(columns_, choice.columns);
    least_offset_ = -(shape.pad_y * in.row + shape.pad_x * in.lanes) * 4;
    add_channels(layer);
    add_entries(layer);
    if (flat_) mask_margins();
    runs_ = std::min(row_groups_ * column_groups_, threads == 1 ? 1 : 4 * threads);
    share();
}

void Int8Conv::check(const View* residual) const {
    const bool alike = in_.lanes == out_.lanes && (in_.lanes == 1 || in_.lanes == isa_.width) && in_.images == out_.images;
    if (!alike) throw std::invalid_argument("input and output of a convolution must be laid out alike");
    if (flat_ && (shape_.stride_y != 1 || shape_.stride_x != 1 || in_.row != out_.row))
        throw std::invalid_argument("rows of pixels are convolved with stride 1 and rows of one length only");
    if (shape_.groups < 1 || in_channels_ % shape_.groups || out_channels_ % shape_.groups)
        throw std::invalid_argument("channels must be a multiple of the groups");
    const bool split = shape_.groups > 1 && (in_channels_ / shape_.groups % quad || out_channels_ / shape_.groups % std::max(quad, choice_.block));
    if (split) throw std::invalid_argument("a block of weights must belong to one group of channels");
    if (in_.channels != divide_up(in_channels_, quad) || out_.channels != (finish_.floats ? out_channels_ : divide_up(out_channels_, quad)))
        throw std::invalid_argument("channels of bytes must lie in quads");
    if (!isa_.int8->tile(choice_.block, choice_.rows, choice_.columns, flat_ ? 1 : shape_.stride_x))
        throw std::invalid_argument("there is no such kernel for weights of 8 bits");
    if (in_.channels * in_.plane * 4 > std::numeric_limits<std::int32_t>::max()) throw std::invalid_argument("an image of the input is larger than 2 GiB");
    if (residual && !residual->same_layout(out_)) throw std::invalid_argument("a residual must be laid out as the output is");
}

void Int8Conv::add_channels(const Int8Layer& layer) {
    const int filter = in_channels_ / shape_.groups * shape_.kernel_height * shape_.kernel_width, padded = rounded_up(out_channels_, largest_block);
    corrections_.resize(static_cast<std::size_t>(padded));
    factors_.assign(layer.factors, layer.factors + out_channels_);
    addends_.assign(layer.addends, layer.addends + out_channels_);
    factors_.resize(static_cast<std::size_t>(padded));
    addends_.resize(static_cast<std::size_t>(padded));
    for (int k = 0; k < out_channels_; ++k) {
        const std::int8_t* const weights = layer.weights + static_cast<std::ptrdiff_t>(k) * filter;
        std::int64_t sum = 0, size = 0;
        for (int i = 0; i < filter; ++i) sum += weights[i], size += std::abs(weights[i]);
        if (255 * size > std::numeric_limits<std::int32_t>::max()) throw std::invalid_argument("a sum of products could be larger than 32 bits hold");
        corrections_[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(-layer.input_zero * sum);
    }
}

void Int8Conv::add_entries(const Int8Layer& layer) {
    for (int group = 0; group < groups_; ++group) {
        begins_.push_back(static_cast<std::int32_t>(offsets_.size()));
        add_group(layer, group);
    }
    begins_.push_back(static_cast<std::int32_t>(offsets_.size()));
    offsets_.shrink_to_fit();
    weights_.shrink_to_fit();
}

// The blocks of one group of outputs in which a weight is left, by input channel. Those of 16 outputs go to tiles of 16 blocks.
void Int8Conv::add_group(const Int8Layer& layer, int group) {
    const int M = choice_.block, first = group * M, outs = std::min(M, out_channels_ - first), width = shape_.kernel_width;
    const int taps = shape_.kernel_height * width, ins = in_channels_ / shape_.groups, filter = ins * taps;
    const int first_in = first / (out_channels_ / shape_.groups) * ins;
    const auto quad_of = [&](int k, int channel, int tap) {
        std::uint32_t packed = 0;
        for (int i = 0; k < outs && i < quad && channel + i < ins; ++i)
            packed |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(layer.weights[static_cast<std::ptrdiff_t>(first + k) * filter + (channel + i) * taps + tap])) << (8 * i);
        return static_cast<std::int32_t>(packed);
    };
    std::vector<std::int32_t> block(static_cast<std::size_t>(M)), tiles;
    const std::size_t begin = offsets_.size();
    for (int channel = 0; channel < ins; channel += quad)
        for (int tap = 0; tap < taps; ++tap) {
            for (int k = 0; k < M; ++k) block[static_cast<std::size_t>(k)] = quad_of(k, channel, tap);
            if (std::all_of(block.begin(), block.end(), [](std::int32_t weights) { return weights == 0; })) continue;
            const int y = tap / width * shape_.dilation_y - shape_.pad_y, x = tap % width * shape_.dilation_x - shape_.pad_x;
            const std::ptrdiff_t offset = (first_in + channel) / quad * in_.plane + y * in_.row + x * in_.lanes;
            offsets_.push_back(static_cast<std::uint32_t>(offset * 4 - least_offset_));
            weights_.insert(weights_.end(), block.begin(), block.end());
        }
    blocks_ += offsets_.size() - begin;
    if (M != largest_block) return;
    for (; (offsets_.size() - begin) % largest_block; weights_.resize(weights_.size() + largest_block)) offsets_.push_back(static_cast<std::uint32_t>(-least_offset_));
    for (std::size_t at = begin * largest_block; at < weights_.size(); at += largest_block * largest_block)  // an output's weights together
        for (int i = 0; i < largest_block; ++i)
            for (int k = 0; k < i; ++k) std::swap(weights_[at + static_cast<std::size_t>(i * largest_block + k)], weights_[at + static_cast<std::size_t>(k * largest_block + i)]);
}

// Cuts the groups into parts of nearly the same number of entries, of whole quads of outputs, where there are too few tiles
// to keep all threads busy.
void Int8Conv::share() {
    const int step = std::max(1, quad / choice_.block), quads = divide_up(groups_, step), wanted = runs_ > 0 ? divide_up(4 * threads_, runs_) : 1;
    const int parts = threads_ == 1 ? 1 : std::min(quads, wanted);
    const std::int64_t total = begins_.back() + 4 * static_cast<std::int64_t>(groups_);
    for (int first = 0; first < groups_; first += step) {
        const std::int64_t before = begins_[static_cast<std::size_t>(first)] + 4 * static_cast<std::int64_t>(first);
        if (before * parts >= total * static_cast<std::int64_t>(parts_.size())) parts_.push_back(first);
    }
    parts_.push_back(groups_);
}

void Int8Conv::mask_margins() {
    mask_.assign(static_cast<std::size_t>(columns_) * isa_.width, 0);
    for (int y = 0; y < out_.height; ++y)
        for (int x = 0; x < out_.width; ++x) mask_[static_cast<std::size_t>(y * out_.row + x)] = -1;
}

void Int8Conv::run(Bases bases, Threads& threads) const {
    if (out_.doubt >= 0) bases[0][out_.doubt] = 0;  // bytes are finite, and so is what comes of them
    const int tiles = row_groups_ * column_groups_, parts = static_cast<int>(parts_.size()) - 1;
    threads.run(runs_ * parts, [&](int item) {
        const int run = item % runs_;
        run_part(bases, piece_begin(tiles, runs_, run), piece_begin(tiles, runs_, run + 1), item / runs_);
    });
}

void Int8Conv::run_part(Bases bases, int first_tile, int last_tile, int part) const {
    Int8Tile tile{};
    tile.out_plane = out_.plane * 4;
    tile.residual = residual_ * 4;
    tile.offsets = offsets_.data();
    tile.weights = weights_.data();
    tile.begins = begins_.data();
    tile.first_group = parts_[static_cast<std::size_t>(part)], tile.last_group = parts_[static_cast<std::size_t>(part) + 1];
    tile.channels = out_channels_;
    tile.finish = finish_;
    tile.finish.corrections = corrections_.data(), tile.finish.factors = factors_.data(), tile.finish.addends = addends_.data();
    const int cell = flat_ ? isa_.width : in_.lanes, stride = flat_ ? 1 : shape_.stride_x;
    if (choice_.block == largest_block) isa_.int8->begin();
    for (int t = first_tile; t < last_tile; ++t) {
        const int row = piece_begin(rows_, row_groups_, t / column_groups_), rows = piece_begin(rows_, row_groups_, t / column_groups_ + 1) - row;
        const int column = piece_begin(columns_, column_groups_, t % column_groups_), columns = piece_begin(columns_, column_groups_, t % column_groups_ + 1) - column;
        for (int r = 0; r < rows; ++r) {
            const int image = (row + r) / image_rows_, y = (row + r) % image_rows_;
            const float* const in = bases[0] + in_.offset + image * in_.image + y * shape_.stride_y * in_.row + static_cast<std::ptrdiff_t>(column) * cell * stride;
            float* const out = bases[0] + out_.offset + image * out_.image + y * out_.row + static_cast<std::ptrdiff_t>(column) * cell;
            tile.in[r] = reinterpret_cast<const char*>(in) + least_offset_;
            tile.out[r] = reinterpret_cast<char*>(out);
        }
        tile.mask = mask_.empty() ? nullptr : mask_.data() + static_cast<std::ptrdiff_t>(column) * isa_.width;
        isa_.int8->tile(choice_.block, rows, columns, stride)(tile);
    }
    if (choice_.block == largest_block) isa_.int8->end();
}

std::ptrdiff_t Int8Conv::size_bytes() const {
    const std::size_t words = begins_.size() + corrections_.size() + mask_.size() + factors_.size() + addends_.size() + offsets_.size() + weights_.size();
    return static_cast<std::ptrdiff_t>(4 * words);
}

}  // namespace prunus
