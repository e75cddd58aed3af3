#include "conv.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace prunus {
namespace {

int divide_up(int value, int by) { return (value + by - 1) / by; }

// Cuts `total` into pieces of nearly the same length, none longer than `most`: where piece i begins.
int piece_begin(int total, int pieces, int i) { return static_cast<int>(static_cast<std::int64_t>(total) * i / pieces); }

// The partial sums of a run of tiles shall stay in the second cache between two blocks of input channels.
constexpr std::ptrdiff_t partial_bytes = 100 * 1024;

}  // namespace

Conv::Conv(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual,
           const float* weights, const float* bias, const Activation& activation, const ConvChoice& choice, int threads)
    : isa_(isa), in_(in), out_(out), choice_(choice), activation_(activation), shape_(shape), has_residual_(residual != nullptr), threads_(threads) {
    const bool flat = in.lanes == 1 && choice.group != across;  // vectors are pixels of a row, rows follow each other
    at_once_ = choice.group == across ? isa.width : choice.group;
    cell_ = choice.group == across ? 1 : isa.width;
    check(shape, flat);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    low_ = activation.function == Function::relu ? 0.0f : activation.function == Function::clip ? activation.a : -infinity;
    high_ = activation.function == Function::clip ? activation.b : infinity;
    if (activation.function == Function::relu || activation.function == Function::clip) activation_ = {};
    if (residual) {
        if (!residual->same_layout(out)) throw std::invalid_argument("a residual must be laid out as the output is");
        residual_ = residual->offset - out.offset;
    }
    stride_ = flat ? 1 : shape.stride_x;
    image_rows_ = flat ? 1 : out.height;
    rows_ = image_rows_ * out.images;
    columns_ = flat ? divide_up(static_cast<int>(out.height * out.row), isa.width) : out.width;
    in_row_ = shape.stride_y * in.row;
    out_row_ = out.row;
    blocks_ = shape.groups == 1 ? divide_up(in.channels, choice.block) : 1;
    groups_ = divide_up(out.channels, at_once_);
    lay_out_weights(shape, weights);
    bias_.assign(bias, bias + out.channels);
    if (flat) mask_margins(columns_ * isa.width);
}

void Conv::check(const ConvShape& shape, bool flat) const {
    const bool lanes = in_.lanes == out_.lanes && (in_.lanes == 1 || in_.lanes == isa_.width) && in_.images == out_.images;
    if (!lanes) throw std::invalid_argument("input and output of a convolution must be laid out alike");
    if (choice_.group == across && in_.lanes != 1)
        throw std::invalid_argument("a kernel across channels is for images whose lanes are pixels");
    if (flat && (shape.stride_y != 1 || shape.stride_x != 1 || in_.row != out_.row))
        throw std::invalid_argument("rows of pixels are convolved with stride 1 and rows of one length only");
    if (in_.channels % shape.groups || out_.channels % shape.groups)
        throw std::invalid_argument("channels must be a multiple of the groups");
    if (shape.groups > 1 && out_.channels / shape.groups % at_once_)
        throw std::invalid_argument("channels computed at once must belong to one group");
    if (!isa_.tile(choice_.group, choice_.rows, choice_.columns, flat ? 1 : shape.stride_x))
        throw std::invalid_argument("there is no kernel of " + std::to_string(choice_.group) + " channels, tile " +
                                    std::to_string(choice_.rows) + "x" + std::to_string(choice_.columns) + ", stride " +
                                    std::to_string(shape.stride_x));
    if (choice_.block < 1) throw std::invalid_argument("a block holds at least one input channel");
    if (in_.channels * in_.plane * 4 > std::numeric_limits<std::int32_t>::max())
        throw std::invalid_argument("an image of the input is larger than 2 GiB");
}

// Entries of one block are together, in it those of one group of output channels, in it by input channel and tap.
void Conv::lay_out_weights(const ConvShape& shape, const float* weights) {
    const int K = at_once_, in_channels = in_.channels / shape.groups, out_channels = out_.channels / shape.groups;
    const int taps = shape.kernel_height * shape.kernel_width;
    const std::ptrdiff_t filter = static_cast<std::ptrdiff_t>(in_channels) * taps;
    const auto is_zero = [&](int group, std::ptrdiff_t column) {
        const int rows = std::min(K, out_.channels - group * K);
        for (int k = 0; k < rows; ++k)
            if (weights[(group * K + k) * filter + column] != 0) return false;
        return true;
    };
    std::vector<std::int64_t> work(static_cast<std::size_t>(groups_), 4);
    for (int block = 0; block < blocks_; ++block)
        for (int group = 0; group < groups_; ++group) {
            std::int32_t count = 0;
            const int begin = piece_begin(in_channels, blocks_, block), end = piece_begin(in_channels, blocks_, block + 1);
            for (std::ptrdiff_t column = begin * taps; column < end * taps; ++column) count += !is_zero(group, column);
            work[group] += count;
        }
    share(work);
    least_offset_ = -(shape.pad_y * in_.row + shape.pad_x * in_.lanes) * 4;
    for (int block = 0; block < blocks_; ++block) {
        const int begin = piece_begin(in_channels, blocks_, block), end = piece_begin(in_channels, blocks_, block + 1);
        for (int group = 0; group < groups_; ++group) {
            // Every second group goes through the input channels backwards: what the one before read last is in the first
            // cache still.
            const bool backwards = group % 2;
            starts_.push_back(static_cast<std::int32_t>(offsets_.size()));
            const int rows = std::min(K, out_.channels - group * K), base = group * K / out_channels * in_channels;
            for (std::ptrdiff_t step = begin * taps; step < end * taps; ++step) {
                const std::ptrdiff_t column = backwards ? (begin + end) * taps - 1 - step : step;
                if (is_zero(group, column)) {
                    if (skipped_.empty()) skipped_.resize(static_cast<std::size_t>(out_.channels * filter));
                    for (int k = 0; k < rows; ++k) skipped_[static_cast<std::size_t>((group * K + k) * filter + column)] = true;
                    continue;
                }
                const int tap = static_cast<int>(column % taps);
                const int y = tap / shape.kernel_width * shape.dilation_y - shape.pad_y;
                const int x = tap % shape.kernel_width * shape.dilation_x - shape.pad_x;
                const std::ptrdiff_t offset = (base + column / taps) * in_.plane + y * in_.row + x * in_.lanes;
                offsets_.push_back(static_cast<std::uint32_t>(offset * 4 - least_offset_));
                for (int k = 0; k < K; ++k) values_.push_back(k < rows ? weights[(group * K + k) * filter + column] : 0.0f);
            }
        }
        starts_.push_back(static_cast<std::int32_t>(offsets_.size()));
    }
    offsets_.shrink_to_fit();
    values_.shrink_to_fit();
}

// Cuts the tiles into runs and the groups into parts of nearly the same number of entries.
void Conv::share(const std::vector<std::int64_t>& work) {
    const int tiles = divide_up(rows_, choice_.rows) * divide_up(columns_, choice_.columns);
    const std::ptrdiff_t bytes = static_cast<std::ptrdiff_t>(choice_.rows) * choice_.columns * cell_ * 4 * out_.channels;
    const int most = static_cast<int>(std::max<std::ptrdiff_t>(1, partial_bytes / bytes));
    runs_ = std::min(tiles, std::max(divide_up(tiles, most), threads_));
    const int wanted = 4 * threads_;
    const int parts = threads_ == 1 || runs_ >= wanted ? 1 : std::min(groups_, divide_up(wanted, runs_));
    if (parts == 1) runs_ = std::min(tiles, divide_up(runs_, threads_) * threads_);
    std::int64_t total = 0;
    for (const std::int64_t one : work) total += one;
    std::int64_t before = 0;
    for (int group = 0; group < groups_; ++group) {
        if (before * parts >= total * static_cast<std::int64_t>(parts_.size())) parts_.push_back(group);
        before += work[group];
    }
    parts_.push_back(groups_);
}

void Conv::mask_margins(int lanes_of_row) {
    mask_.assign(static_cast<std::size_t>(lanes_of_row), 0);
    for (int y = 0; y < out_.height; ++y)
        for (int x = 0; x < out_.width; ++x) mask_[static_cast<std::size_t>(y * out_.row + x)] = -1;
}

void Conv::run(Bases bases, Threads& threads) const {
    const int tiles = divide_up(rows_, choice_.rows) * divide_up(columns_, choice_.columns);
    const int parts = static_cast<int>(parts_.size()) - 1;
    const bool doubt = !skipped_.empty() && in_doubt(bases, threads);
    if (out_.doubt >= 0) bases[0][out_.doubt] = 0;
    threads.run(runs_ * parts, [&](int item) {
        const int run = item % runs_;
        run_part(bases[0], piece_begin(tiles, runs_, run), piece_begin(tiles, runs_, run + 1), item / runs_);
    });
    if (doubt) multiply_zeros(bases, threads);
}

// Whether the input holds infinity or NaN.
bool Conv::in_doubt(Bases bases, Threads& threads) const {
    if (in_.doubt >= 0) return bases[0][in_.doubt] != 0;
    const int planes = in_.images * in_.channels, items = std::min(planes, 4 * threads.count());
    std::vector<float> found(static_cast<std::size_t>(items), 0.0f);
    threads.run(items, [&](int item) {
        for (int plane = planes * item / items; plane < planes * (item + 1) / items; ++plane) {
            const float* at = bases[0] + in_.offset + plane / in_.channels * in_.image + plane % in_.channels * in_.plane;
            const std::ptrdiff_t size = (in_.height - 1) * in_.row + static_cast<std::ptrdiff_t>(in_.width) * in_.lanes;
            found[item] += isa_.zero_times(at, size);
        }
    });
    return std::any_of(found.begin(), found.end(), [](float sum) { return sum != 0; });
}

// Adds what a dense layer gets from the zeros that were skipped: NaN where infinity or NaN meets one. Slow and rare.
void Conv::multiply_zeros(Bases bases, Threads& threads) const {
    const int in_channels = in_.channels / shape_.groups, out_channels = out_.channels / shape_.groups;
    const int taps = shape_.kernel_height * shape_.kernel_width, filter = in_channels * taps, width = out_.width * out_.lanes;
    if (out_.doubt >= 0) bases[0][out_.doubt] = std::numeric_limits<float>::quiet_NaN();
    threads.run(out_.images * out_.channels, [&](int item) {
        const int image = item / out_.channels, k = item % out_.channels;
        for (int column = 0; column < filter; ++column) {
            if (!skipped_[static_cast<std::size_t>(k) * filter + column]) continue;
            const int c = k / out_channels * in_channels + column / taps, tap = column % taps;
            const int y = tap / shape_.kernel_width * shape_.dilation_y - shape_.pad_y;
            const int x = tap % shape_.kernel_width * shape_.dilation_x - shape_.pad_x;
            const float* from = bases[0] + in_.offset + image * in_.image + c * in_.plane + y * in_.row + x * in_.lanes;
            float* out = bases[0] + out_.offset + image * out_.image + k * out_.plane;
            for (int row = 0; row < out_.height; ++row, from += shape_.stride_y * in_.row, out += out_.row)
                for (int i = 0; i < width; ++i)
                    out[i] += 0.0f * from[i / in_.lanes * shape_.stride_x * in_.lanes + i % in_.lanes];
        }
    });
}

Conv::Cells Conv::cells_of(int tile) const {
    const int tile_rows = divide_up(rows_, choice_.rows), tile_columns = divide_up(columns_, choice_.columns);
    const int y = tile / tile_columns, x = tile % tile_columns;
    return {piece_begin(rows_, tile_rows, y), piece_begin(rows_, tile_rows, y + 1), piece_begin(columns_, tile_columns, x),
            piece_begin(columns_, tile_columns, x + 1)};
}

const float* Conv::input_of(const float* memory, int row, int column) const {
    const int image = row / image_rows_, y = row % image_rows_;
    return memory + in_.offset + image * in_.image + y * in_row_ + static_cast<std::ptrdiff_t>(column) * cell_ * stride_;
}

void Conv::run_part(float* memory, int first_tile, int last_tile, int part) const {
    const int K = at_once_;
    const int first_group = parts_[part], last_group = parts_[part + 1], first_channel = first_group * K;
    Tile tile{};
    float unread = 0;
    tile.doubt = out_.doubt >= 0 ? memory + out_.doubt : &unread;
    tile.out_plane = out_.plane * 4;
    tile.residual = residual_ * 4;
    tile.offsets = offsets_.data();
    tile.values = values_.data();
    tile.bias = bias_.data() + first_channel;
    tile.groups = last_group - first_group;
    tile.channels = std::min(last_group * K, out_.channels) - first_channel;
    tile.low = low_, tile.high = high_;
    tile.has_residual = has_residual_;
    for (int block = 0; block < blocks_; ++block) {
        tile.starts = starts_.data() + static_cast<std::ptrdiff_t>(block) * (groups_ + 1) + first_group;
        tile.first = block == 0, tile.last = block == blocks_ - 1;
        for (int t = first_tile; t < last_tile; ++t) {
            const auto [row, row_end, column, column_end] = cells_of(t);
            for (int r = row; r < row_end; ++r) {
                const int image = r / image_rows_, y = r % image_rows_;
                const std::ptrdiff_t cell = static_cast<std::ptrdiff_t>(column) * cell_;
                const float* in = input_of(memory, r, column);
                float* out = memory + out_.offset + image * out_.image + y * out_row_ + cell + first_channel * out_.plane;
                tile.in[r - row] = reinterpret_cast<const char*>(in) + least_offset_;
                tile.out[r - row] = reinterpret_cast<char*>(out);
            }
            tile.mask = mask_.empty() ? nullptr : mask_.data() + static_cast<std::ptrdiff_t>(column) * isa_.width;
            isa_.tile(choice_.group, row_end - row, column_end - column, stride_)(tile);
            if (tile.last && activation_.function != Function::none)
                for (int r = row; r < row_end; ++r) activate(tile, r - row, (column_end - column) * cell_);
        }
    }
}

// What the tile kernel does not do itself, while the values are still near.
void Conv::activate(const Tile& tile, int row, int count) const {
    const bool zero_stays = activation_.function != Function::sigmoid && activation_.function != Function::hard_sigmoid;
    for (int channel = 0; channel < tile.channels; ++channel) {
        float* at = reinterpret_cast<float*>(tile.out[row]) + channel * out_.plane;
        isa_.activate(activation_, at, count);
        if (tile.mask && !zero_stays)
            for (int i = 0; i < count; ++i) at[i] = tile.mask[i] ? at[i] : 0.0f;
    }
}

std::ptrdiff_t Conv::size_bytes() const {
    return static_cast<std::ptrdiff_t>(4 * (starts_.size() + offsets_.size() + values_.size() + bias_.size() + mask_.size()) + skipped_.size() / 8);
}

}  // namespace prunus
