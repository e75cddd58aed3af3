#include "conv.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "pieces.h"

namespace prunus {
namespace {

// The partial sums of a run of tiles shall stay in the second cache between two blocks of input channels.
constexpr std::ptrdiff_t partial_bytes = 100 * 1024;

// Outputs of more bytes are written past the caches: the next layer would not find them there any more, and a line need not
// be read before it is written.
constexpr std::ptrdiff_t streamed_bytes = 4 * 1024 * 1024;

// Inputs of more bytes are asked for while the tile above is computed: they come from memory, one line here and one there.
constexpr std::ptrdiff_t asked_bytes = 12 * 1024 * 1024;

}  // namespace

ConvChoice ConvChoice::checked(int channels) const {
    if (rows < 1 || rows > max_tile_rows || columns < 1 || columns > max_tile_cells) throw std::invalid_argument("there is no tile of so many rows and columns");
    if (block < 1) throw std::invalid_argument("a block holds at least one input channel");
    return {group, rows, columns, std::min(block, channels)};
}

Conv::Conv(const Isa& isa, const ConvShape& shape, const View& in, const View& out, const View* residual,
           const float* weights, const float* bias, const Activation& activation, const ConvChoice& given, int threads,
           const View* pooled)
    : isa_(isa), in_(in), out_(out), choice_(given.checked(in.channels)), activation_(activation), shape_(shape), has_residual_(residual != nullptr),
      pooled_(pooled ? std::make_unique<View>(*pooled) : nullptr), threads_(threads) {
    const ConvChoice& choice = choice_;
    const bool flat = in.lanes == 1 && choice.group != across;  // vectors are pixels of a row, rows follow each other
    at_once_ = choice.group == across ? isa.width : choice.group == whole ? 1 : choice.group;
    cell_ = choice.group == across ? 1 : isa.width;
    check(shape, flat);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    low_ = activation.function == Function::relu ? 0.0f : activation.function == Function::clip ? activation.a : -infinity;
    high_ = activation.function == Function::clip ? activation.b : infinity;
    if (activation.function == Function::relu || activation.function == Function::clip) activation_ = {};
    if (pooled_) check_pooled();
    if (residual) {
        if (!residual->same_layout(out)) throw std::invalid_argument("a residual must be laid out as the output is");
        residual_ = residual->offset - out.offset;
    }
    const bool cells = out.lanes == isa.width && out.image % out.lanes == 0 && out.plane % out.lanes == 0 && out.row % out.lanes == 0;
    streams_ = cells && !residual && activation_.function == Function::none && out.images * out.image * 4 > streamed_bytes;
    const bool asks = is_sparse(choice.group) && choice.group != whole && in.lanes > 1 && shape.groups == 1 && in.images * in.image * 4 > asked_bytes;
    stride_ = flat ? 1 : shape.stride_x;
    image_rows_ = flat ? 1 : out.height;
    rows_ = image_rows_ * out.images;
    columns_ = flat ? divide_up(static_cast<int>(out.height * out.row), isa.width) : out.width;
    in_row_ = shape.stride_y * in.row;
    blocks_ = shape.groups == 1 ? divide_up(in.channels, choice.block) : 1;
    groups_ = divide_up(out.channels, at_once_);
    const std::ptrdiff_t all = static_cast<std::ptrdiff_t>(out.channels) * (in.channels / shape.groups) * shape.kernel_height * shape.kernel_width;
    asked_ = asks ? divide_up(divide_up(in.channels, blocks_) * choice.columns, groups_) : 0;
    const bool finite = std::all_of(weights, weights + all, [](float weight) { return std::isfinite(weight); });
    if (choice.group == whole) check_whole(finite);
    group_rows(flat, finite);
    // What is not finite makes NaN of the zeros around an image.
    const bool edges = choice.group == 1 && in.lanes > 1 && shape.kernel_width == 3 && shape.stride_x == 1 && shape.dilation_x == 1 && shape.pad_x == 1 &&
                       finite && out.width == in.width && choice.columns >= out.width;
    entries_ = Entries({shape, choice, in, out.channels, at_once_, blocks_, asked_, edges, ranges_}, weights);
    share(entries_.work());
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
    if (in_.channels * in_.plane * 4 > std::numeric_limits<std::int32_t>::max())
        throw std::invalid_argument("an image of the input is larger than 2 GiB");  // prunus.sparse.shapes says so before
}

void Conv::check_pooled() const {
    const bool even = out_.height % 2 == 0 && out_.width % 2 == 0 && choice_.rows % 2 == 0 && choice_.columns % 2 == 0;
    const bool halved = pooled_->height == out_.height / 2 && pooled_->width == out_.width / 2 && pooled_->images == out_.images;
    if (out_.lanes == 1 || has_residual_ || activation_.function != Function::none || !even || !halved || pooled_->channels != out_.channels || pooled_->lanes != out_.lanes)
        throw std::invalid_argument("this convolution, or this tile, cannot be pooled at once");
}

// What lies around an image must be zeros that are left out, and these only where all weights are finite.
void Conv::check_whole(bool finite) const {
    const bool kernel = shape_.kernel_height == 3 && shape_.kernel_width == 3 && shape_.pad_y == 1 && shape_.pad_x == 1;
    const bool steps = shape_.stride_y == 1 && shape_.dilation_y == 1 && shape_.dilation_x == 1;
    const bool image = in_.height == choice_.rows && out_.height == choice_.rows && in_.width == choice_.columns && out_.width == choice_.columns;
    if (!kernel || !steps || !image || !finite || in_.lanes == 1)
        throw std::invalid_argument("tiles of whole images are for 3x3 convolutions of batches, padded by 1, with finite weights");
}

// The rows of the kernel that an output row wants, as a number of `ranges_`.
int Conv::taps_of(int row) {
    const int top = row % image_rows_ * shape_.stride_y - shape_.pad_y, step = shape_.dilation_y;
    KernelRows range{top < 0 ? divide_up(-top, step) : 0, top >= in_.height ? 0 : std::min(shape_.kernel_height, divide_up(in_.height - top, step))};
    if (range.first >= range.last) range = {0, 0};
    const auto found = std::find(ranges_.begin(), ranges_.end(), range);
    if (found == ranges_.end()) return ranges_.push_back(range), static_cast<int>(ranges_.size()) - 1;
    return static_cast<int>(found - ranges_.begin());
}

// Rows that want the same rows of the kernel make a tile: neighbours in an image, and what is left over of several images.
void Conv::group_rows(bool flat, bool finite) {
    const int high = choice_.rows;
    const auto add = [&](const std::vector<int>& rows, int range) {
        for (std::size_t i = 0; i < rows.size(); i += static_cast<std::size_t>(high)) {
            RowGroup group{{}, std::min(high, static_cast<int>(rows.size() - i)), range};
            std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(i), group.count, group.rows);
            row_groups_.push_back(group);
        }
    };
    if (pooled_) {
        ranges_.push_back({0, shape_.kernel_height});
        for (int row = 0; row < rows_; row += image_rows_)
            for (int y = 0; y < image_rows_; y += high) {
                std::vector<int> rows;
                for (int i = y; i < std::min(y + high, image_rows_); ++i) rows.push_back(row + i);
                add(rows, 0);
            }
        return;
    }
    // Infinity times the zeros around an image is not zero; of two output channels all entries are in one range.
    if (flat || !finite || out_.images < high || choice_.group == 2 || choice_.group == whole) {
        ranges_.push_back({0, shape_.kernel_height});
        const int pieces = divide_up(rows_, high);
        for (int i = 0; i < pieces; ++i) {
            std::vector<int> rows;
            for (int row = piece_begin(rows_, pieces, i); row < piece_begin(rows_, pieces, i + 1); ++row) rows.push_back(row);
            add(rows, 0);
        }
        return;
    }
    std::vector<int> range_of(static_cast<std::size_t>(image_rows_));
    for (int y = 0; y < image_rows_; ++y) range_of[y] = taps_of(y);
    for (int first = 0; first < out_.images; first += high)
        for (int y = 0, end = 0; y < image_rows_; y = end) {
            for (end = y; end < image_rows_ && range_of[end] == range_of[y];) ++end;
            const int whole = (end - y) / high * high;
            std::vector<int> left_over;
            for (int image = first; image < std::min(out_.images, first + high); ++image) {
                std::vector<int> rows;
                for (int row = y; row < end; ++row) (row < y + whole ? rows : left_over).push_back(image * image_rows_ + row);
                add(rows, range_of[y]);
            }
            add(left_over, range_of[y]);
        }
}

// Cuts the tiles into runs and the groups into parts of nearly the same number of entries.
void Conv::share(const std::vector<std::int64_t>& work) {
    const int tiles = static_cast<int>(row_groups_.size()) * tile_columns();
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

std::ptrdiff_t Conv::size_bytes() const {
    return entries_.size_bytes() + static_cast<std::ptrdiff_t>(4 * (bias_.size() + mask_.size()));
}

}  // namespace prunus
