// Running a convolution: its tiles, and what is not finite.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "conv.h"
#include "pieces.h"
#include "pool.h"

namespace prunus {

bool in_doubt(const Isa& isa, const View& view, Bases bases, Threads& threads) {
    if (view.doubt >= 0) return bases[0][view.doubt] != 0;
    const int planes = view.images * view.channels, items = std::min(planes, 4 * threads.count());
    std::vector<float> found(static_cast<std::size_t>(items), 0.0f);
    threads.run(items, [&](int item) {
        for (int plane = piece_begin(planes, items, item); plane < piece_begin(planes, items, item + 1); ++plane) {
            const float* at = bases[0] + view.offset + plane / view.channels * view.image + plane % view.channels * view.plane;
            const std::ptrdiff_t size = (view.height - 1) * view.row + static_cast<std::ptrdiff_t>(view.width) * view.lanes;
            found[item] += isa.zero_times(at, size);
        }
    });
    return std::any_of(found.begin(), found.end(), [](float sum) { return sum != 0; });
}

void Conv::run(Bases bases, Threads& threads) const {
    const bool doubt = entries_.skips() && in_doubt(isa_, in_, bases, threads);
    if (out_.doubt >= 0) bases[0][out_.doubt] = 0;
    if (doubt && pooled_) return run_unpooled(bases, threads);
    run_tiles(bases, bases[0], pooled_ != nullptr, threads);
    if (doubt) multiply_zeros(bases, bases[0], threads);
}

void Conv::run_tiles(Bases bases, float* out_memory, bool pools, Threads& threads) const {
    const int tiles = static_cast<int>(row_groups_.size()) * tile_columns(), parts = static_cast<int>(parts_.size()) - 1;
    threads.run(runs_ * parts, [&](int item) {
        const int run = item % runs_;
        run_part(bases[0], out_memory, pools, piece_begin(tiles, runs_, run), piece_begin(tiles, runs_, run + 1), item / runs_);
    });
}

// First all outputs, in memory of their own. Slow and rare.
void Conv::run_unpooled(Bases bases, Threads& threads) const {
    std::vector<float> memory(static_cast<std::size_t>(out_.images * out_.image));
    run_tiles(bases, memory.data() - out_.offset, false, threads);
    multiply_zeros(bases, memory.data() - out_.offset, threads);
    const PoolShape shape{2, 2, 2, 2, 0, 0, 1, 1, true, false};
    for (int plane = 0; plane < out_.images * out_.channels; ++plane) {
        const int image = plane / out_.channels, channel = plane % out_.channels;
        float* const to = bases[0] + pooled_->offset + image * pooled_->image + channel * pooled_->plane;
        const float* const from = memory.data() + image * out_.image + channel * out_.plane;
        isa_.pool(shape, {from, to, out_.row, pooled_->row, out_.height, out_.width, pooled_->height, pooled_->width, out_.lanes, 0});
    }
}

// Adds what a dense layer gets from the zeros that were skipped: NaN where infinity or NaN meets one. Slow and rare.
void Conv::multiply_zeros(Bases bases, float* out_memory, Threads& threads) const {
    const int in_channels = in_.channels / shape_.groups, out_channels = out_.channels / shape_.groups;
    const int taps = shape_.kernel_height * shape_.kernel_width, filter = in_channels * taps, width = out_.width * out_.lanes;
    if (out_.doubt >= 0) bases[0][out_.doubt] = std::numeric_limits<float>::quiet_NaN();
    threads.run(out_.images * out_.channels, [&](int item) {
        const int image = item / out_.channels, k = item % out_.channels;
        for (int column = 0; column < filter; ++column) {
            if (!entries_.skips(k, column)) continue;
            const int c = k / out_channels * in_channels + column / taps, tap = column % taps;
            const int y = tap / shape_.kernel_width * shape_.dilation_y - shape_.pad_y;
            const int x = tap % shape_.kernel_width * shape_.dilation_x - shape_.pad_x;
            const float* from = bases[0] + in_.offset + image * in_.image + c * in_.plane + y * in_.row + x * in_.lanes;
            float* out = out_memory + out_.offset + image * out_.image + k * out_.plane;
            for (int row = 0; row < out_.height; ++row, from += shape_.stride_y * in_.row, out += out_.row) {
                const int iy = row * shape_.stride_y + y;  // there may be no zeros around an image
                if (iy < 0 || iy >= in_.height) continue;
                for (int i = 0; i < width; ++i) {
                    const int ix = i / in_.lanes * shape_.stride_x + x;
                    if (ix >= 0 && ix < in_.width) out[i] += 0.0f * from[i / in_.lanes * shape_.stride_x * in_.lanes + i % in_.lanes];
                }
            }
        }
    });
}

const float* Conv::input_of(const float* memory, int row, int column) const {
    const int image = row / image_rows_, y = row % image_rows_;
    return memory + in_.offset + image * in_.image + y * in_row_ + static_cast<std::ptrdiff_t>(column) * cell_ * stride_;
}

int Conv::tile_columns() const { return divide_up(columns_, choice_.columns); }

int Conv::column_of(int piece) const {
    return pooled_ ? 2 * piece_begin(columns_ / 2, tile_columns(), piece) : piece_begin(columns_, tile_columns(), piece);
}

// Sums lie tile by tile in a thread's own memory between two blocks.
void Conv::run_part(float* memory, float* out_memory, bool pools, int first_tile, int last_tile, int part) const {
    const int K = at_once_, pieces = tile_columns();
    const int first_group = parts_[part], last_group = parts_[part + 1], first_channel = first_group * K;
    Tile tile{};
    float unread = 0;
    tile.doubt = out_.doubt >= 0 ? memory + out_.doubt : &unread;
    const std::ptrdiff_t own_row = static_cast<std::ptrdiff_t>(choice_.columns) * cell_, own_plane = choice_.rows * own_row;
    const View& to = pools ? *pooled_ : out_;
    const int side = pools ? 2 : 1;  // of the square of outputs that makes one cell
    tile.out_plane = to.plane * 4;
    tile.residual = residual_ * 4;
    tile.offsets = entries_.offsets();
    tile.values = entries_.values();
    tile.bias = bias_.data() + first_channel;
    tile.groups = last_group - first_group;
    tile.asked = asked_;
    tile.twos = entries_.in_twos();
    tile.channels = std::min(last_group * K, out_.channels) - first_channel;
    tile.low = low_, tile.high = high_;
    tile.has_residual = has_residual_;
    tile.partial_plane = own_plane * 4;
    tile.pools = pools;
    tile.streams = streams_ && !pools && reinterpret_cast<std::uintptr_t>(out_memory + out_.offset) % (isa_.width * sizeof(float)) == 0;
    const std::ptrdiff_t own_tile = own_plane * tile.groups * K;
    float* const own = blocks_ > 1 ? scratch_memory(own_tile * (last_tile - first_tile)) : nullptr;
    for (int block = 0; block < blocks_; ++block) {
        tile.first = block == 0, tile.last = block == blocks_ - 1;
        for (int t = first_tile; t < last_tile; ++t) {
            const RowGroup& rows = row_groups_[static_cast<std::size_t>(t / pieces)];
            const int column = column_of(t % pieces), column_end = column_of(t % pieces + 1);
            tile.spans = entries_.spans(rows.range, block) + first_group;
            tile.taps = choice_.group == whole ? entries_.taps(block) + first_group * (whole_taps + 1) : nullptr;
            for (int r = 0; r < rows.count; ++r) {
                const int row = rows.rows[std::min(r * side, rows.count - 1)], image = row / image_rows_, y = row % image_rows_ / side;
                float* const out = out_memory + to.offset + image * to.image + first_channel * to.plane + y * to.row;
                tile.in[r] = reinterpret_cast<const char*>(input_of(memory, rows.rows[r], column)) + entries_.least_offset();
                tile.out[r] = reinterpret_cast<char*>(out + static_cast<std::ptrdiff_t>(column / side) * cell_);
            }
            tile.partial = reinterpret_cast<char*>(own ? own + own_tile * (t - first_tile) : nullptr);
            tile.mask = mask_.empty() ? nullptr : mask_.data() + static_cast<std::ptrdiff_t>(column) * isa_.width;
            isa_.tile(choice_.group, rows.count, column_end - column, stride_)(tile);
            if (tile.last && activation_.function != Function::none)
                for (int r = 0; r < rows.count; ++r) activate(tile, r, (column_end - column) * cell_);
        }
    }
}

// What the tile kernel does not do itself, while the values are still near.
void Conv::activate(const Tile& tile, int row, int count) const {
    const bool zero_stays = activation_.function != Function::sigmoid && activation_.function != Function::hard_sigmoid;
    for (int channel = 0; channel < tile.channels; ++channel) {
        float* at = reinterpret_cast<float*>(tile.out[row] + channel * tile.out_plane);
        isa_.activate(activation_, at, count);
        if (tile.mask && !zero_stays)
            for (int i = 0; i < count; ++i) at[i] = tile.mask[i] ? at[i] : 0.0f;
    }
}

}  // namespace prunus
