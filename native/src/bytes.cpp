#include "bytes.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "pieces.h"

namespace prunus {
namespace {

// Calls with (image, quad) for each of a tensor of bytes, on all threads.
template <class Call>
void each_quad(const View& bytes, Threads& threads, const Call& call) {
    const int planes = bytes.images * bytes.channels, items = std::min(planes, 4 * threads.count());
    threads.run(items, [&](int item) {
        for (int plane = piece_begin(planes, items, item); plane < piece_begin(planes, items, item + 1); ++plane) call(plane / bytes.channels, plane % bytes.channels);
    });
}

float* row_of(Bases bases, const View& view, int image, int channel, int y) {
    return bases[0] + view.offset + image * view.image + channel * view.plane + y * view.row;
}
std::int32_t* quads_of(Bases bases, const View& view, int image, int quad, int y) {
    return reinterpret_cast<std::int32_t*>(row_of(bases, view, image, quad, y));
}

bool same_pixels(const View& one, const View& other) {
    return one.images == other.images && one.height == other.height && one.width == other.width && one.lanes == other.lanes;
}

void require(bool holds) {
    if (!holds) throw std::invalid_argument("tensors of bytes do not lie alike");
}

// The rows of the channels of one quad, as far as there are so many channels.
void find_rows(Bases bases, const View& floats, int image, int quad_index, int y, float* (&rows)[quad]) {
    for (int k = 0; k < quad; ++k) {
        const int channel = quad_index * quad + k;
        rows[k] = channel < floats.channels ? row_of(bases, floats, image, channel, y) : nullptr;
    }
}

}  // namespace

Quantize::Quantize(const Isa& isa, const View& in, const View& out, const Int8Scale& scale) : isa_(isa), in_(in), out_(out), scale_(scale) {
    require(same_pixels(in, out) && out.channels == divide_up(in.channels, quad));
}

void Quantize::run(Bases bases, Threads& threads) const {
    each_quad(out_, threads, [&](int image, int index) {
        for (int y = 0; y < in_.height; ++y) {
            float* rows[quad];
            find_rows(bases, in_, image, index, y, rows);
            const float* const from[quad] = {rows[0], rows[1], rows[2], rows[3]};
            isa_.int8->quantize(scale_, from, quads_of(bases, out_, image, index, y), static_cast<std::ptrdiff_t>(in_.width) * in_.lanes);
        }
    });
}

Dequantize::Dequantize(const Isa& isa, const View& in, const View& out, const Int8Scale& scale) : isa_(isa), in_(in), out_(out), scale_(scale) {
    require(same_pixels(in, out) && in.channels == divide_up(out.channels, quad));
}

void Dequantize::run(Bases bases, Threads& threads) const {
    if (out_.doubt >= 0) bases[0][out_.doubt] = 0;
    each_quad(in_, threads, [&](int image, int index) {
        for (int y = 0; y < in_.height; ++y) {
            float* rows[quad];
            find_rows(bases, out_, image, index, y, rows);
            isa_.int8->dequantize(scale_, quads_of(bases, in_, image, index, y), rows, static_cast<std::ptrdiff_t>(in_.width) * in_.lanes);
        }
    });
}

AddBytes::AddBytes(const Isa& isa, const View& left, const View* right, const View& out, const Int8Sum& sum)
    : isa_(isa), left_(left), right_(right ? *right : left), out_(out), has_right_(right != nullptr), sum_(sum) {
    require(same_pixels(left_, out) && same_pixels(right_, out) && left_.channels == out.channels && right_.channels == out.channels);
}

void AddBytes::run(Bases bases, Threads& threads) const {
    each_quad(out_, threads, [&](int image, int index) {
        for (int y = 0; y < out_.height; ++y)
            isa_.int8->add(sum_, quads_of(bases, left_, image, index, y), has_right_ ? quads_of(bases, right_, image, index, y) : nullptr,
                           quads_of(bases, out_, image, index, y), static_cast<std::ptrdiff_t>(out_.width) * out_.lanes);
    });
}

PoolBytes::PoolBytes(const PoolShape& shape, const View& in, const View& out) : shape_(shape), in_(in), out_(out) {
    require(in.images == out.images && in.channels == out.channels && in.lanes == out.lanes && shape.largest);
}

void PoolBytes::run(Bases bases, Threads& threads) const {
    each_quad(out_, threads, [&](int image, int index) {
        std::vector<std::uint8_t> largest(static_cast<std::size_t>(in_.width) * in_.lanes * quad);
        const auto* plane = reinterpret_cast<const std::uint8_t*>(row_of(bases, in_, image, index, 0));
        for (int y = 0; y < out_.height; ++y) pool_row(plane, y, reinterpret_cast<std::uint8_t*>(row_of(bases, out_, image, index, y)), largest.data());
    });
}

// First the largest of each column, then those of neighbouring columns. A window has a pixel that lies in the image.
void PoolBytes::pool_row(const std::uint8_t* plane, int y, std::uint8_t* out, std::uint8_t* largest) const {
    const std::ptrdiff_t cell = static_cast<std::ptrdiff_t>(in_.lanes) * quad, count = in_.width * cell;
    const auto take = [](std::uint8_t* to, const std::uint8_t* from, std::ptrdiff_t bytes) {
        for (std::ptrdiff_t i = 0; i < bytes; ++i) to[i] = std::max(to[i], from[i]);
    };
    std::memset(largest, 0, static_cast<std::size_t>(count));
    for (int ky = 0; ky < shape_.kernel_height; ++ky) {
        const int row = y * shape_.stride_y - shape_.pad_y + ky * shape_.dilation_y;
        if (row >= 0 && row < in_.height) take(largest, plane + row * in_.row * quad, count);
    }
    for (int x = 0; x < out_.width; ++x, out += cell) {
        std::memset(out, 0, static_cast<std::size_t>(cell));
        for (int kx = 0; kx < shape_.kernel_width; ++kx) {
            const int column = x * shape_.stride_x - shape_.pad_x + kx * shape_.dilation_x;
            if (column >= 0 && column < in_.width) take(out, largest + column * cell, cell);
        }
    }
}

MeanBytes::MeanBytes(const View& in, const View& out, float scale, std::int32_t zero) : in_(in), out_(out), scale_(scale), zero_(zero) {
    require(in.images == out.images && in.lanes == out.lanes && in.channels == divide_up(out.channels, quad) && out.height == 1 && out.width == 1);
}

void MeanBytes::run(Bases bases, Threads& threads) const {
    const std::int64_t pixels = static_cast<std::int64_t>(in_.height) * in_.width;
    const float factor = static_cast<float>(static_cast<double>(scale_) / static_cast<double>(pixels));
    if (out_.doubt >= 0) bases[0][out_.doubt] = 0;
    each_quad(in_, threads, [&](int image, int index) {
        std::vector<std::int64_t> sums(static_cast<std::size_t>(in_.lanes) * quad);
        for (int y = 0; y < in_.height; ++y) {
            const auto* row = reinterpret_cast<const std::uint8_t*>(row_of(bases, in_, image, index, y));
            for (int x = 0; x < in_.width; ++x, row += sums.size())
                for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += row[i];
        }
        float* rows[quad];
        find_rows(bases, out_, image, index, 0, rows);
        for (int k = 0; k < quad; ++k)
            for (int lane = 0; rows[k] && lane < in_.lanes; ++lane)
                rows[k][lane] = static_cast<float>(sums[static_cast<std::size_t>(lane * quad + k)] - zero_ * pixels) * factor;
    });
}

}  // namespace prunus
