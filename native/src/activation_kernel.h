// Functions of every element over a row of floats. Accurate to a few units in the last place of fp32; NaN stays NaN.
#pragma once

#include "activation.h"
#include "vector.h"

namespace prunus::PRUNUS_ISA {

inline Vector select(Lanes where, Vector yes, Vector no) { return bits((bits(yes) & where) | (bits(no) & ~where)); }
inline Vector magnitude(Vector x) { return bits(bits(x) & 0x7fffffff); }
inline Vector with_sign_of(Vector magnitude, Vector x) { return bits(bits(magnitude) | (bits(x) & static_cast<std::int32_t>(0x80000000))); }

// 2^(x / ln 2) by splitting off the integer power; the rest by its Taylor series, |rest| <= ln 2 / 2.
inline Vector exp(Vector x) {
    const Vector inside = at_most(at_least(x, broadcast(-104.0f)), broadcast(88.8f));
    const Vector shifted = inside * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
    const Vector power = shifted - 12582912.0f;
    const Vector rest = (inside - power * 0.693145752f) - power * 1.42860677e-6f;
    Vector series = rest * (1.0f / 5040) + 1.0f / 720;
    series = series * rest + 1.0f / 120;
    series = series * rest + 1.0f / 24;
    series = series * rest + 1.0f / 6;
    series = series * rest + 0.5f;
    series = series * rest + 1.0f;
    series = series * rest + 1.0f;
    // The power in two halves, so that results near the ends of the range (and denormals) come out as well.
    const Lanes whole = __builtin_convertvector(power, Lanes), half = whole >> 1;
    const Vector scaled = series * bits((half + 127) << 23) * bits((whole - half + 127) << 23);
    return select(x != x, x, scaled);
}

inline Vector sigmoid(Vector x) { return 1.0f / (1.0f + exp(-x)); }

inline Vector tanh(Vector x) {
    // Near 0 the quotient would cancel; there the series up to x^9 is exact enough.
    const Vector square = x * x;
    Vector series = square * (62.0f / 2835) - 17.0f / 315;
    series = series * square + 2.0f / 15;
    series = series * square - 1.0f / 3;
    const Vector near = x + x * square * series;
    const Vector size = magnitude(x), far = 1.0f - 2.0f / (exp(2.0f * size) + 1.0f);
    return select(size < 0.25f, near, with_sign_of(far, x));
}

// Near 0 the Maclaurin series; else Abramowitz and Stegun 7.1.26 is too coarse, so 1 - t exp(-x^2 + P(t)), t = 1 / (1 + x / 2),
// with the polynomial of Numerical Recipes' erfc (fractional error below 1.2e-7).
inline Vector erf(Vector x) {
    const Vector square = x * x;
    Vector series = square * (-1.0f / 1320) + 1.0f / 216;
    series = series * square - 1.0f / 42;
    series = series * square + 1.0f / 10;
    series = series * square - 1.0f / 3;
    const Vector near = x * (series * square + 1.0f) * 1.12837917f;
    const Vector size = magnitude(x), t = 1.0f / (1.0f + 0.5f * size);
    Vector p = t * 0.17087277f - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    const Vector far = with_sign_of(1.0f - t * exp(p - square), x);
    return select(x != x, x, select(size < 0.5f, near, far));
}

inline Vector square_root(Vector x) {
    for (int lane = 0; lane < width; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
    return x;
}

template <Function F>
inline Vector apply(Vector x, float a, float b) {
    if constexpr (F == Function::relu) return at_least(x, Vector{});
    if constexpr (F == Function::leaky_relu) return select(x < 0.0f, x * a, x);
    if constexpr (F == Function::clip) return at_most(at_least(x, broadcast(a)), broadcast(b));
    if constexpr (F == Function::sigmoid) return sigmoid(x);
    if constexpr (F == Function::hard_sigmoid) return at_most(at_least(x * a + b, Vector{}), broadcast(1.0f));
    if constexpr (F == Function::hard_swish) return x * at_most(at_least(x * (1.0f / 6) + 0.5f, Vector{}), broadcast(1.0f));
    if constexpr (F == Function::silu) return x * sigmoid(x);
    if constexpr (F == Function::gelu) return 0.5f * x * (1.0f + erf(x * 0.707106781f));
    if constexpr (F == Function::gelu_tanh) return 0.5f * x * (1.0f + tanh(0.797884561f * (x + 0.044715f * x * x * x)));
    if constexpr (F == Function::tanh) return tanh(x);
    if constexpr (F == Function::erf) return erf(x);
    if constexpr (F == Function::sqrt) return square_root(x);
    if constexpr (F == Function::nan_to_zero) return select(x == x, x, Vector{});
    return x;
}

template <Function F>
void apply_to(float* row, std::ptrdiff_t count, float a, float b) {
    std::ptrdiff_t i = 0;
    for (; i + width <= count; i += width) store(row + i, apply<F>(load(row + i), a, b));
    if (i == count) return;
    float rest[width] = {};
    for (std::ptrdiff_t k = i; k < count; ++k) rest[k - i] = row[k];
    store(rest, apply<F>(load(rest), a, b));
    for (std::ptrdiff_t k = i; k < count; ++k) row[k] = rest[k - i];
}

template <int F = 1>
void activate(const Activation& what, float* row, std::ptrdiff_t count) {
    if constexpr (F <= static_cast<int>(Function::nan_to_zero)) {
        if (static_cast<int>(what.function) == F)
            apply_to<static_cast<Function>(F)>(row, count, what.a, what.b);
        else
            activate<F + 1>(what, row, count);
    }
}

}  // namespace prunus::PRUNUS_ISA
