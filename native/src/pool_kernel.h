// Pools one plane: cell by cell when the batch is innermost, else row by row.
#pragma once

#include <cstdint>

#include "pool.h"
#include "row_kernels.h"

namespace prunus::PRUNUS_ISA {

// Which taps of a window lie inside: those from first to before last.
struct Taps {
    int first, last;
    Taps(int begin, int step, int taps, int size) {
        first = begin < 0 ? (-begin + step - 1) / step : 0;
        last = begin >= size ? 0 : (size - begin + step - 1) / step;
        if (last > taps) last = taps;
        if (first > last) first = last;
    }
    int count() const { return last - first; }
};

inline float divisor(const PoolShape& shape, int inside) {
    return 1.0f / static_cast<float>(shape.count_padding ? static_cast<std::int64_t>(shape.kernel_height) * shape.kernel_width : inside);
}

// With longer strides most of what lies between two windows is never read.
constexpr int most_asked = 8;

// One window of cells, of which only these taps are looked at.
template <bool Largest>
inline Vector pool_window(const PoolShape& shape, const PoolPlane& plane, int top, int left, Taps rows, Taps columns) {
    Vector result = broadcast(Largest ? -__builtin_inff() : 0.0f);
    for (int ky = rows.first; ky < rows.last; ++ky)
        for (int kx = columns.first; kx < columns.last; ++kx) {
            const Vector next = load(plane.in + (top + ky * shape.dilation_y) * plane.in_row + (left + kx * shape.dilation_x) * width);
            if constexpr (Largest)
                result = select((next > result) | (next != next), next, result);
            else
                result += next;
        }
    if constexpr (!Largest) result *= divisor(shape, rows.count() * columns.count());
    return result;
}

template <bool Largest>
void pool_cells(const PoolShape& shape, const PoolPlane& plane) {
    const int span = (shape.kernel_width - 1) * shape.dilation_x;
    const Taps all(0, 1, shape.kernel_width, shape.kernel_width);
    const bool asks = plane.ahead && shape.stride_y <= most_asked && shape.stride_x <= most_asked;
    for (int y = 0; y < plane.out_height; ++y) {
        const int top = y * shape.stride_y - shape.pad_y;
        const Taps rows(top, shape.dilation_y, shape.kernel_height, plane.in_height);
        float* out = plane.out + y * plane.out_row;
        for (int x = 0; x < plane.out_width; ++x, out += width) {
            const int left = x * shape.stride_x - shape.pad_x;
            const bool inside = left >= 0 && left + span < plane.in_width;  // as most are: no divisions for them
            if (asks)
                for (int i = 0; i < shape.stride_y * shape.stride_x; ++i)
                    __builtin_prefetch(plane.in + plane.ahead + (y * shape.stride_y + i / shape.stride_x) * plane.in_row + (x * shape.stride_x + i % shape.stride_x) * width);
            const Taps columns = inside ? all : Taps(left, shape.dilation_x, shape.kernel_width, plane.in_width);
            store(out, pool_window<Largest>(shape, plane, top, left, rows, columns));
        }
    }
}

// Down the columns first, with vectors along the row, then along the row.
template <bool Largest>
void pool_pixels(const PoolShape& shape, const PoolPlane& plane) {
    constexpr int piece = 512;  // columns of the input at a time
    float column[piece];
    const int span = (shape.kernel_width - 1) * shape.dilation_x + 1;
    const int at_once = span >= piece ? 1 : (piece - span) / shape.stride_x + 1;
    for (int y = 0; y < plane.out_height; ++y) {
        const int top = y * shape.stride_y - shape.pad_y;
        const Taps rows(top, shape.dilation_y, shape.kernel_height, plane.in_height);
        for (int x = 0; x < plane.out_width; x += at_once) {
            float* out = plane.out + y * plane.out_row + x;
            const int outs = plane.out_width - x < at_once ? plane.out_width - x : at_once;
            for (int i = 0; i < outs; ++i) out[i] = Largest ? -__builtin_inff() : 0.0f;
            int begin = x * shape.stride_x - shape.pad_x, end = begin + (outs - 1) * shape.stride_x + span;
            const int start = begin;
            if (begin < 0) begin = 0;
            if (end > plane.in_width) end = plane.in_width;
            for (int part = begin; part < end; part += piece) {  // more than one part only under a single, very wide window
                const int size = end - part < piece ? end - part : piece;
                for (int i = 0; i < size; ++i) column[i] = Largest ? -__builtin_inff() : 0.0f;
                for (int ky = rows.first; ky < rows.last; ++ky)
                    gather_row<Largest>(column, plane.in + (top + ky * shape.dilation_y) * plane.in_row + part, 1, size);
                for (int kx = 0; kx < shape.kernel_width; ++kx) {
                    const int from = start + kx * shape.dilation_x - part;  // of out[0], in `column`
                    int first = from < 0 ? (-from + shape.stride_x - 1) / shape.stride_x : 0;
                    int last = from >= size ? 0 : (size - from + shape.stride_x - 1) / shape.stride_x;
                    if (last > outs) last = outs;
                    if (first < last)
                        gather_row<Largest>(out + first, column + from + first * shape.stride_x, shape.stride_x, last - first);
                }
            }
            if constexpr (!Largest)
                for (int i = 0; i < outs; ++i) {
                    const Taps columns((x + i) * shape.stride_x - shape.pad_x, shape.dilation_x, shape.kernel_width, plane.in_width);
                    out[i] *= divisor(shape, rows.count() * columns.count());
                }
        }
    }
}

inline void pool(const PoolShape& shape, const PoolPlane& plane) {
    if (plane.lanes == 1)
        (shape.largest ? pool_pixels<true> : pool_pixels<false>)(shape, plane);
    else
        (shape.largest ? pool_cells<true> : pool_cells<false>)(shape, plane);
}

}  // namespace prunus::PRUNUS_ISA
