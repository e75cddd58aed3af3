// The kernel of every convolution and of every linear layer over a batch: output-stationary, its sums in registers while the
// non-zero weights stream by (direct sparse convolution, Park et al. 2017). K = 1 is the sparse form; with K > 1 one
// input vector serves K output channels, which is how dense layers are computed.
#pragma once

#include "isa.h"
#include "vector.h"

namespace prunus::PRUNUS_ISA {

// With few sums an FMA would wait for the one before it: take several entries at once, each with sums of its own.
constexpr int sets_of_sums(int sums) { return sums >= 7 ? 1 : sums >= 4 ? 2 : sums >= 2 ? 4 : 8; }

template <int K, int R, int C, int Stride>
inline __attribute__((always_inline)) void take_entry(Vector (&sums)[K][R * C], const char* const (&in)[R], std::uint32_t offset,
                                                      const float* weights) {
    Vector inputs[R * C];
#pragma GCC unroll 32
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 32
        for (int c = 0; c < C; ++c) inputs[r * C + c] = load(in[r] + offset + c * Stride * vector_bytes);
#pragma GCC unroll 32
    for (int k = 0; k < K; ++k) {
        const Vector weight = broadcast(weights[k]);
#pragma GCC unroll 32
        for (int p = 0; p < R * C; ++p) sums[k][p] += weight * inputs[p];
    }
}

// By halves, so that no addition waits for more than a few others.
template <int First, int Count>
inline __attribute__((always_inline)) Vector sum_of_all(const Vector* sums) {
    if constexpr (Count == 1)
        return sums[First];
    else
        return sum_of_all<First, Count / 2>(sums) + sum_of_all<First + Count / 2, Count - Count / 2>(sums);
}

// Of several threads any may write the mark, all the same one.
inline void mark_doubt(float* mark_of, Vector doubt) {
    for (int lane = 1; lane < width; ++lane) doubt[0] += doubt[lane];
    if (doubt[0] == doubt[0]) return;
    const float mark = __builtin_nanf("");
    __atomic_store(mark_of, &mark, __ATOMIC_RELAXED);
}

template <int R, int C, int Stride>
inline __attribute__((always_inline)) void add_products(Vector (&sums)[R * C], const char* const (&in)[R], std::ptrdiff_t offset,
                                                        Vector weight) {
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) sums[p] += weight * load(in[p / C] + offset + p % C * Stride * vector_bytes);
}

// Two entries of the sparse form. Loads are what binds it, so both offsets and both weights take one load each.
template <int R, int C, int Stride>
inline __attribute__((always_inline)) void take_pair(Vector (&first)[R * C], Vector (&second)[R * C], const char* const (&in)[R],
                                                     const std::uint32_t* offsets, const float* weights) {
    std::uint64_t both;
    std::memcpy(&both, offsets, sizeof both);
    Vector weight, other;
    broadcast_pair(weights, weight, other);
    add_products<R, C, Stride>(first, in, static_cast<std::ptrdiff_t>(both & 0xffffffffu), weight);
    add_products<R, C, Stride>(second, in, static_cast<std::ptrdiff_t>(both >> 32), other);
}

// Two entries of which the second wants what the first wants, one cell to the right: each input is loaded once.
template <int R, int C, int Stride>
inline __attribute__((always_inline)) void take_neighbours(Vector (&first)[R * C], Vector (&second)[R * C], const char* const (&in)[R],
                                                           std::uint32_t offset, const float* weights) {
    Vector weight, other;
    broadcast_pair(weights, weight, other);
#pragma GCC unroll 32
    for (int c = 0; c <= C; ++c)
#pragma GCC unroll 32
        for (int r = 0; r < R; ++r) {
            Vector input = load(in[r] + offset + c * Stride * vector_bytes);
            keep(input);
            if (c < C) first[r * C + c] += weight * input;
            if (c > 0) second[r * C + c - 1] += other * input;
        }
}

// Two entries of which the first has nothing to add to the first column of a tile, nor the second to the last.
template <int R, int C, int Stride>
inline __attribute__((always_inline)) void take_edges(Vector (&first)[R * C], Vector (&second)[R * C], const char* const (&in)[R],
                                                      const std::uint32_t* offsets, const float* weights) {
    std::uint64_t both;
    std::memcpy(&both, offsets, sizeof both);
    Vector weight, other;
    broadcast_pair(weights, weight, other);
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p)
        if (p % C > 0) first[p] += weight * load(in[p / C] + (both & 0xffffffffu) + p % C * Stride * vector_bytes);
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p)
        if (p % C < C - 1) second[p] += other * load(in[p / C] + (both >> 32) + p % C * Stride * vector_bytes);
}

// The entries of one output channel that come in twos.
template <int R, int C, int Stride, int Sets>
inline __attribute__((always_inline)) void take_twos(const Tile& tile, const Span& span, const char* const (&in)[R],
                                                     Vector (&sums)[Sets][1][R * C]) {
    constexpr int other = Sets > 1;
    for (std::ptrdiff_t i = span.shared.begin; i < span.shared.end; i += 2)
        take_neighbours<R, C, Stride>(sums[0][0], sums[other][0], in, tile.offsets[i], tile.values + i);
    if constexpr (Stride == 1 && C > 1)
        for (std::ptrdiff_t i = span.couples.begin; i < span.couples.end; i += 2)
            take_edges<R, C, Stride>(sums[0][0], sums[other][0], in, tile.offsets + i, tile.values + i);
}

// Its other entries.
template <int R, int C, int Stride, int Sets>
inline __attribute__((always_inline)) void take_singles(const Tile& tile, const EntryRange& range, const char* const (&in)[R],
                                                        Vector (&sums)[Sets][1][R * C]) {
    constexpr int at_once = Sets > 1 ? Sets : 2;
    const std::uint32_t* offsets = tile.offsets + range.begin;
    const float* values = tile.values + range.begin;
    std::ptrdiff_t left = range.end - range.begin;
    for (; left >= at_once; left -= at_once, offsets += at_once, values += at_once)
#pragma GCC unroll 32
        for (int u = 0; u < at_once; u += 2)
            take_pair<R, C, Stride>(sums[u % Sets][0], sums[(u + 1) % Sets][0], in, offsets + u, values + u);
    for (; left > 0; --left, ++offsets, ++values) take_entry<1, R, C, Stride>(sums[0], in, *offsets, values);
}

// All entries of two output channels.
template <int R, int C, int Stride>
inline __attribute__((always_inline)) void take_twins(const Tile& tile, const Span& span, const char* const (&in)[R], Vector (&sums)[2][R * C]) {
    for (std::ptrdiff_t i = span.shared.begin; i < span.shared.end; i += 2) take_entry<2, R, C, Stride>(sums, in, tile.offsets[i], tile.values + i);
    for (std::ptrdiff_t i = span.couples.begin; i < span.couples.end; i += 2)
        take_pair<R, C, Stride>(sums[0], sums[1], in, tile.offsets + i, tile.values + i);
    std::ptrdiff_t i = span.rest.begin;
    if (span.rest_of == 0)
        for (; i < span.rest.end; ++i) add_products<R, C, Stride>(sums[0], in, tile.offsets[i], broadcast(tile.values[i]));
    for (; i < span.rest.end; ++i) add_products<R, C, Stride>(sums[1], in, tile.offsets[i], broadcast(tile.values[i]));
}

// All entries of the output channels of a dense form.
template <int K, int R, int C, int Stride, int Sets>
inline __attribute__((always_inline)) void take_group(const Tile& tile, const EntryRange& range, const char* const (&in)[R],
                                                      Vector (&sums)[Sets][K][R * C]) {
    std::ptrdiff_t i = range.begin;
    for (; i + Sets <= range.end; i += Sets)
#pragma GCC unroll 32
        for (int u = 0; u < Sets; ++u) take_entry<K, R, C, Stride>(sums[u], in, tile.offsets[i + u], tile.values + (i + u) * K);
    if (Sets > 1)
        for (; i < range.end; ++i) take_entry<K, R, C, Stride>(sums[0], in, tile.offsets[i], tile.values + i * K);
}

template <int Sets, int K, int N>
inline __attribute__((always_inline)) void clear(Vector (&sums)[Sets][K][N]) {
#pragma GCC unroll 32
    for (int u = 0; u < Sets; ++u)
#pragma GCC unroll 32
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 32
            for (int p = 0; p < N; ++p) sums[u][k][p] = Vector{};
}

// The sum of all sets becomes that of the first.
template <int Sets, int K, int N>
inline __attribute__((always_inline)) void join(Vector (&sums)[Sets][K][N]) {
#pragma GCC unroll 32
    for (int u = 1; u < Sets; ++u)
#pragma GCC unroll 32
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 32
            for (int p = 0; p < N; ++p) sums[0][k][p] += sums[u][k][p];
}

template <int K, int N>
inline __attribute__((always_inline)) void add_to(Vector (&sums)[K][N], const Vector (&others)[K][N]) {
#pragma GCC unroll 32
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 32
        for (int p = 0; p < N; ++p) sums[k][p] += others[k][p];
}

// The same, a chain of sums at a time. A block of a sparse form has few more entries than one chain.
template <int K, int R, int C, int Stride, int Sets>
inline __attribute__((always_inline)) void take_chains(const Tile& tile, EntryRange left, const char* const (&in)[R],
                                                       Vector (&sums)[Sets][K][R * C]) {
    Vector total[K][R * C];
    for (bool settled = false;; settled = true) {
        const bool more = left.end - left.begin > chain * Sets;
        const EntryRange now{left.begin, more ? left.begin + chain * Sets : left.end};
        take_group<K, R, C, Stride>(tile, now, in, sums);
        join(sums);
        if (settled) add_to(sums[0], total);
        if (!more) return;
        std::memcpy(total, sums[0], sizeof total);
        clear(sums);
        left.begin = now.end;
    }
}

// As pooling has it: a NaN among them is the largest.
inline __attribute__((always_inline)) Vector larger(Vector one, Vector other) { return one != one ? one : at_least(other, one); }

// Writes the largest of each 2x2.
template <int R, int C>
inline __attribute__((always_inline)) void store_pooled(char* out, const Vector (&sums)[R * C], const std::ptrdiff_t (&to_row)[R]) {
#pragma GCC unroll 32
    for (int r = 0; r < R / 2; ++r)
#pragma GCC unroll 32
        for (int c = 0; c < C / 2; ++c) {
            const Vector* const upper = sums + 2 * r * C + 2 * c;
            store(out + to_row[r] + c * vector_bytes, larger(larger(upper[0], upper[1]), larger(upper[C], upper[C + 1])));
        }
}

// Writes the sums of one output channel.
template <int R, int C>
inline __attribute__((always_inline)) void finish(const Tile& tile, char* out, char* partial, Vector (&sums)[R * C],
                                                  const std::ptrdiff_t (&to_row)[R], Vector& doubt) {
    if (!tile.last) {
#pragma GCC unroll 32
        for (int p = 0; p < R * C; ++p) store(partial + p * vector_bytes, sums[p]);
        return;
    }
    const Vector low = broadcast(tile.low), high = broadcast(tile.high);
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) sums[p] = at_most(at_least(sums[p], low), high);
    if (tile.mask) {
        const char* mask = reinterpret_cast<const char*>(tile.mask);
#pragma GCC unroll 32
        for (int p = 0; p < R * C; ++p) sums[p] = bits(bits(sums[p]) & bits(load(mask + p % C * vector_bytes)));
    }
    // Zero as long as all sums are finite, NaN for ever as soon as one is infinite or NaN: a test without a branch.
    doubt += sum_of_all<0, R * C>(sums) * 0.0f;
    if constexpr (R % 2 == 0 && C % 2 == 0)
        if (tile.pools) return store_pooled<R, C>(out, sums, to_row);
    if (tile.streams) {
#pragma GCC unroll 32
        for (int p = 0; p < R * C; ++p) stream(out + to_row[p / C] + p % C * vector_bytes, sums[p]);
        return;
    }
#pragma GCC unroll 32
    for (int p = 0; p < R * C; ++p) store(out + to_row[p / C] + p % C * vector_bytes, sums[p]);
}

// Asks early for the memory of outputs, or of the residuals in their place, of some later group.
template <int K, int R, int C>
inline __attribute__((always_inline)) void ask_for_outputs(const Tile& tile, int group, const std::ptrdiff_t (&to_row)[R]) {
    const bool adds = tile.first && tile.has_residual;
    if (!(adds || (tile.last && !tile.streams)) || group >= tile.groups) return;
    const char* next = tile.out[0] + static_cast<std::ptrdiff_t>(group) * K * tile.out_plane + (adds ? tile.residual : 0);
#pragma GCC unroll 32
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 32
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 32
            for (int b = 0; b < C * vector_bytes; b += 64) __builtin_prefetch(next + k * tile.out_plane + to_row[r] + b, 1);
}

// Adds the bias and the residual, or the sums over the blocks before, to the sums of some output channels.
template <int K, int R, int C>
inline __attribute__((always_inline)) void add_begun(const Tile& tile, int channel, int rows, const std::ptrdiff_t (&to_row)[R],
                                                     Vector (&sums)[K][R * C]) {
#pragma GCC unroll 32
    for (int k = 0; k < K; ++k) {
        if (tile.first) {
            const Vector bias = broadcast(k < rows ? tile.bias[channel + k] : 0.0f);
#pragma GCC unroll 32
            for (int p = 0; p < R * C; ++p) sums[k][p] += bias;
            if (tile.has_residual) {
                const char* residual = tile.out[0] + (channel + (k < rows ? k : 0)) * tile.out_plane + tile.residual;
#pragma GCC unroll 32
                for (int p = 0; p < R * C; ++p) sums[k][p] += load(residual + to_row[p / C] + p % C * vector_bytes);
            }
        } else {
            const char* from = tile.partial + (channel + (k < rows ? k : 0)) * tile.partial_plane;
#pragma GCC unroll 32
            for (int p = 0; p < R * C; ++p) sums[k][p] += load(from + p * vector_bytes);
        }
    }
}

template <int K, int R, int C, int Stride>
void tile_kernel(const Tile& given) {
    const Tile tile = given;
    constexpr int sets = K == 2 ? 1 : sets_of_sums(K * R * C);
    constexpr int ahead = is_sparse(K) ? 3 : 1;  // groups for whose outputs memory is asked early
    const char* in[R];
    std::ptrdiff_t to_row[R];
    for (int r = 0; r < R; ++r) in[r] = tile.in[r], to_row[r] = tile.out[r] - tile.out[0];
    Vector doubt{};
    // Of the next group, where its entries lie: asked for while the one before is computed.
    EntryRange rest = tile.spans->rest;
    Span span = *tile.spans;
    for (int group = 0; group < tile.groups; ++group) {
        const int channel = group * K;
        char* const out = tile.out[0] + channel * tile.out_plane;
        const int rows = K == 1 ? 1 : tile.channels - channel < K ? tile.channels - channel : K;
        ask_for_outputs<K, R, C>(tile, group + ahead, to_row);
        if constexpr (is_sparse(K))
            for (int i = 0; i < tile.asked; ++i)
#pragma GCC unroll 32
                for (int r = 0; r < R; ++r) __builtin_prefetch(in[r] + tile.spans[group].ahead + i * vector_bytes);
        const EntryRange now = rest;
        const Span& next = tile.spans[group + 1 < tile.groups ? group + 1 : group];
        rest = next.rest;
        Vector sums[sets][K][R * C];
        clear(sums);
        if (is_sparse(K) && (K == 2 || tile.twos)) {
            const Span all = span;
            span = next;
            if constexpr (K == 1) take_twos<R, C, Stride>(tile, all, in, sums);
            if constexpr (K == 2) take_twins<R, C, Stride>(tile, all, in, sums[0]);
        }
        if constexpr (K == 1) take_singles<R, C, Stride>(tile, now, in, sums);
        if constexpr (K > 2) take_chains<K, R, C, Stride>(tile, now, in, sums);
        if constexpr (K <= 2) join(sums);
        add_begun<K, R, C>(tile, channel, rows, to_row, sums[0]);

#pragma GCC unroll 32
        for (int k = 0; k < K; ++k)
            if (k < rows) finish<R, C>(tile, out + k * tile.out_plane, tile.partial + (channel + k) * tile.partial_plane, sums[0][k], to_row, doubt);
    }
    if (tile.streams) drain();
    mark_doubt(tile.doubt, doubt);
}

}  // namespace prunus::PRUNUS_ISA
