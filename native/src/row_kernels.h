// Kernels over rows of floats: arithmetic, softmax, layer normalisation, products with a matrix.
#pragma once

#include "activation_kernel.h"
#include "vector.h"

namespace prunus::PRUNUS_ISA {

template <int Op, class T>
inline T operate(T left, T right) {
    if constexpr (Op == 1) return left + right;
    if constexpr (Op == 2) return left - right;
    if constexpr (Op == 3) return left * right;
    if constexpr (Op == 4) return left / right;
    return left;
}

// Every second float: the phases of a convolution of stride 2. Nothing past the last one is read.
template <int... I>
inline Vector load_even(const float* at, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(load(at), load(at + width - 1), (I < width / 2 ? 2 * I : 2 * I + 1)...);
}

template <int Op>
void combine_row(std::ptrdiff_t count, float* out, std::ptrdiff_t out_step, const float* left, std::ptrdiff_t left_step,
                 const float* right, std::ptrdiff_t right_step) {
    std::ptrdiff_t i = 0;
    if (out_step == 1 && (left_step | right_step) >> 1 == 0) {  // each side is contiguous or one value
        const Vector one_left = broadcast(*left), one_right = broadcast(*right);
        if (left_step && right_step)
            for (; i + width <= count; i += width) store(out + i, operate<Op>(load(left + i), load(right + i)));
        else if (left_step)
            for (; i + width <= count; i += width) store(out + i, operate<Op>(load(left + i), one_right));
        else if (right_step)
            for (; i + width <= count; i += width) store(out + i, operate<Op>(one_left, load(right + i)));
        else
            for (; i + width <= count; i += width) store(out + i, operate<Op>(one_left, one_right));
    }
    if (Op == 0 && out_step == 1 && left_step == 2)
        for (; i + width <= count; i += width) store(out + i, load_even(left + 2 * i, std::make_integer_sequence<int, width>()));
    for (; i < count; ++i) out[i * out_step] = operate<Op>(left[i * left_step], right[i * right_step]);
}

inline void combine(int op, std::ptrdiff_t count, float* out, std::ptrdiff_t out_step, const float* left, std::ptrdiff_t left_step,
                    const float* right, std::ptrdiff_t right_step) {
    constexpr decltype(&combine_row<0>) rows[] = {combine_row<0>, combine_row<1>, combine_row<2>, combine_row<3>, combine_row<4>};
    rows[op](count, out, out_step, left, left_step, right, right_step);
}

template <class Add>
inline float fold(Vector x, Add add) {
    float sum = x[0];
    for (int lane = 1; lane < width; ++lane) sum = add(sum, x[lane]);
    return sum;
}
inline float sum_of(Vector x) {
    return fold(x, [](float a, float b) { return a + b; });
}

// So many vectors are added up in fp32, then their sum in double: thousands of values added one after the other to one sum
// lose more than everything else in a network together (1e-5 of a softmax over 6,625 characters).
constexpr int summed = 32;

// The sum of term(vector) over a row, and of what is left over, padded by `padding`, whose term is 0.
template <class Term>
inline double sum_terms(const float* in, std::ptrdiff_t count, float padding, const Term& term) {
    double total = 0;
    std::ptrdiff_t i = 0;
    while (i + width <= count) {
        Vector sums[4] = {};
        for (int n = 0; n < summed && i + width <= count; ++n, i += width) sums[n % 4] += term(load(in + i));
        total += sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    if (i == count) return total;
    float rest[width];
    for (int k = 0; k < width; ++k) rest[k] = i + k < count ? in[i + k] : padding;
    return total + sum_of(term(load(rest)));
}

inline float sum_row(const float* in, std::ptrdiff_t count) {
    return static_cast<float>(sum_terms(in, count, 0.0f, [](Vector x) { return x; }));
}

inline void softmax(const float* in, float* out, std::ptrdiff_t count) {
    float top = in[0];
    for (std::ptrdiff_t i = 1; i < count; ++i) top = in[i] > top ? in[i] : top;
    for (std::ptrdiff_t i = 0; i < count; ++i) out[i] = in[i] - top;
    std::ptrdiff_t i = 0;
    for (; i + width <= count; i += width) store(out + i, exp(load(out + i)));
    if (i < count) {
        float rest[width] = {};
        for (std::ptrdiff_t k = i; k < count; ++k) rest[k - i] = out[k];
        store(rest, exp(load(rest)));
        for (std::ptrdiff_t k = i; k < count; ++k) out[k] = rest[k - i];
    }
    const float sum = sum_row(out, count);
    for (std::ptrdiff_t k = 0; k < count; ++k) out[k] /= sum;
}

inline void layer_norm(const float* in, float* out, std::ptrdiff_t count, const float* scale, const float* shift, float epsilon) {
    const float mean = sum_row(in, count) / static_cast<float>(count);
    const auto square = [mean](Vector x) { return (x - mean) * (x - mean); };
    const float variance = static_cast<float>(sum_terms(in, count, mean, square)) / static_cast<float>(count);
    const float factor = 1.0f / __builtin_sqrtf(variance + epsilon);
    std::ptrdiff_t i = 0;
    for (; i + width <= count; i += width) store(out + i, (load(in + i) - mean) * factor * load(scale + i) + load(shift + i));
    for (; i < count; ++i) out[i] = (in[i] - mean) * factor * scale[i] + shift[i];
}

// The sum of 0 x: 0 where all are finite, else NaN. This is what a dense layer gets from its zeros.
inline float zero_times(const float* in, std::ptrdiff_t count) {
    Vector sums[4] = {};
    std::ptrdiff_t i = 0;
    for (; i + 4 * width <= count; i += 4 * width)
        for (int u = 0; u < 4; ++u) sums[u] += 0.0f * load(in + i + u * width);
    float sum = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; i < count; ++i) sum += 0.0f * in[i];
    return sum;
}

// out[i] = max(out[i], in[i * step])  or  out[i] += in[i * step].
template <bool Largest>
void gather_row(float* out, const float* in, std::ptrdiff_t step, std::ptrdiff_t count) {
    std::ptrdiff_t i = 0;
    if (step == 1)
        for (; i + width <= count; i += width) {
            const Vector now = load(out + i), next = load(in + i);
            if constexpr (Largest)
                store(out + i, select((next > now) | (next != next), next, now));
            else
                store(out + i, now + next);
        }
    for (; i < count; ++i) {
        const float next = in[i * step];
        if constexpr (Largest)
            out[i] = next > out[i] || next != next ? next : out[i];
        else
            out[i] += next;
    }
}

// rows x columns of out = left (rows x inner) @ right (inner x columns), all row-major with their own row lengths.
template <int M, int N>
inline void matmul_tile(const float* left, std::ptrdiff_t left_row, const float* right, std::ptrdiff_t right_row, float* out,
                        std::ptrdiff_t out_row, std::ptrdiff_t inner) {
    Vector total[M][N] = {};
    for (std::ptrdiff_t begin = 0; begin < inner; begin += chain) {
        Vector sums[M][N];
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) sums[m][n] = Vector{};
        for (std::ptrdiff_t k = begin; k < inner && k < begin + chain; ++k) {
            Vector inputs[N];
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) inputs[n] = load(right + k * right_row + n * width);
#pragma GCC unroll 16
            for (int m = 0; m < M; ++m) {
                const Vector factor = broadcast(left[m * left_row + k]);
#pragma GCC unroll 16
                for (int n = 0; n < N; ++n) sums[m][n] += factor * inputs[n];
            }
        }
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
            for (int n = 0; n < N; ++n) total[m][n] += sums[m][n];
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
        for (int n = 0; n < N; ++n) store(out + m * out_row + n * width, total[m][n]);
}

inline void matmul(const float* left, std::ptrdiff_t left_row, const float* right, std::ptrdiff_t right_row, float* out,
                   std::ptrdiff_t out_row, std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t columns) {
    std::ptrdiff_t n = 0;
    for (; n + 2 * width <= columns; n += 2 * width) {
        std::ptrdiff_t m = 0;
        for (; m + 6 <= rows; m += 6)
            matmul_tile<6, 2>(left + m * left_row, left_row, right + n, right_row, out + m * out_row + n, out_row, inner);
        for (; m < rows; ++m) matmul_tile<1, 2>(left + m * left_row, left_row, right + n, right_row, out + m * out_row + n, out_row, inner);
    }
    for (; n + width <= columns; n += width)
        for (std::ptrdiff_t m = 0; m < rows; ++m)
            matmul_tile<1, 1>(left + m * left_row, left_row, right + n, right_row, out + m * out_row + n, out_row, inner);
    for (; n < columns; ++n)
        for (std::ptrdiff_t m = 0; m < rows; ++m) {
            double sum = 0;
            for (std::ptrdiff_t k = 0; k < inner; ++k) sum += static_cast<double>(left[m * left_row + k]) * right[k * right_row + n];
            out[m * out_row + n] = static_cast<float>(sum);
        }
}

// The product of a row of `count` weights with an input; eight sums in flight, bound by the weights' bandwidth.
inline float dot(const float* weights, const float* in, std::ptrdiff_t count) {
    constexpr std::ptrdiff_t at_once = 8 * width, most = chain * at_once;
    double total = 0;
    std::ptrdiff_t i = 0;
    for (std::ptrdiff_t end = 0; end < count;) {
        end = count - i > most ? i + most : count;
        Vector sums[8] = {};
        for (; i + at_once <= end; i += at_once)
#pragma GCC unroll 8
            for (int u = 0; u < 8; ++u) sums[u] += load(weights + i + u * width) * load(in + i + u * width);
        for (; i + width <= end; i += width) sums[0] += load(weights + i) * load(in + i);
        float sum = sum_of(((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])));
        for (; i < end; ++i) sum += weights[i] * in[i];
        total += sum;
    }
    return static_cast<float>(total);
}

// The same of non-zero weights only; indices are 16 bits wide, counted from where their block of the input begins.
inline float sparse_dot(const float* values, const std::uint16_t* indices, const float* in, std::ptrdiff_t count) {
    constexpr std::ptrdiff_t most = chain * 4;
    double total = 0;
    std::ptrdiff_t i = 0;
    for (std::ptrdiff_t end = 0; end < count;) {
        end = count - i > most ? i + most : count;
        float sums[4] = {};
        for (; i + 4 <= end; i += 4)
#pragma GCC unroll 4
            for (int u = 0; u < 4; ++u) sums[u] += values[i + u] * in[indices[i + u]];
        float sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (; i < end; ++i) sum += values[i] * in[indices[i]];
        total += sum;
    }
    return static_cast<float>(total);
}

}  // namespace prunus::PRUNUS_ISA
