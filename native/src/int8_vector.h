// Products of bytes and weights of 8 bits, summed by fours, in the width of the unit that includes this file: exact, by
// whatever the instruction set has for it.
#pragma once

#include "vector.h"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace prunus::PRUNUS_ISA {

inline Lanes load_lanes(const void* at) {
    typedef std::int32_t Unaligned __attribute__((vector_size(width * 4), aligned(4), may_alias));
    return *reinterpret_cast<const Unaligned*>(at);
}
inline void store_lanes(void* at, Lanes value) {
    typedef std::int32_t Unaligned __attribute__((vector_size(width * 4), aligned(4), may_alias));
    *reinterpret_cast<Unaligned*>(at) = value;
}
inline Lanes broadcast_lanes(std::int32_t value) { return value - Lanes{}; }
inline Vector to_float(Lanes lanes) { return __builtin_convertvector(lanes, Vector); }

// To the nearest whole number, halves to the even one.
inline Lanes nearest(Vector value) {
#if PRUNUS_WIDTH == 16 && defined(__AVX512F__)
    return reinterpret_cast<Lanes>(_mm512_maskz_cvtps_epi32(static_cast<__mmask16>(-1), reinterpret_cast<__m512>(value)));
#elif PRUNUS_WIDTH == 8 && defined(__AVX2__)
    return reinterpret_cast<Lanes>(_mm256_cvtps_epi32(reinterpret_cast<__m256>(value)));
#elif PRUNUS_WIDTH == 4 && defined(__SSE2__)
    return reinterpret_cast<Lanes>(_mm_cvtps_epi32(reinterpret_cast<__m128>(value)));
#elif PRUNUS_WIDTH == 4 && defined(__aarch64__)
    return reinterpret_cast<Lanes>(vcvtnq_s32_f32(reinterpret_cast<float32x4_t>(value)));
#else
    Lanes lanes{};
    for (int lane = 0; lane < width; ++lane) lanes[lane] = static_cast<std::int32_t>(__builtin_rintf(value[lane]));
    return lanes;
#endif
}

#if PRUNUS_WIDTH == 16 && defined(__AVX512VNNI__)
struct Weights {
    Lanes all;
    explicit Weights(std::int32_t quad) : all(broadcast_lanes(quad)) {}
};
inline Lanes dot(Lanes sum, Lanes bytes, const Weights& weights) {
    return reinterpret_cast<Lanes>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(bytes), reinterpret_cast<__m512i>(weights.all)));
}
#elif PRUNUS_WIDTH == 8 && defined(__AVXVNNI__)
struct Weights {
    Lanes all;
    explicit Weights(std::int32_t quad) : all(broadcast_lanes(quad)) {}
};
inline Lanes dot(Lanes sum, Lanes bytes, const Weights& weights) {
    return reinterpret_cast<Lanes>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sum), reinterpret_cast<__m256i>(bytes), reinterpret_cast<__m256i>(weights.all)));
}
#elif (PRUNUS_WIDTH == 16 && defined(__AVX512BW__)) || (PRUNUS_WIDTH == 8 && defined(__AVX2__)) || (PRUNUS_WIDTH == 4 && defined(__SSE2__))
// Products of 16 bits: those of 8 would saturate in their sum of two (255 * -128 * 2).
struct Weights {
    Lanes even, odd;
    explicit Weights(std::int32_t quad) : even(pair(quad, quad >> 16)), odd(pair(quad >> 8, quad >> 24)) {}
    // Each lowest byte as 16 bits with its sign.
    static Lanes pair(std::int32_t low, std::int32_t high) {
        const auto wide = [](std::int32_t value) { return static_cast<std::uint32_t>(static_cast<std::uint16_t>(static_cast<std::int8_t>(value))); };
        return broadcast_lanes(static_cast<std::int32_t>(wide(high) << 16 | wide(low)));
    }
};
inline Lanes products(Lanes bytes, Lanes weights) {
#if PRUNUS_WIDTH == 16
    return reinterpret_cast<Lanes>(_mm512_madd_epi16(reinterpret_cast<__m512i>(bytes), reinterpret_cast<__m512i>(weights)));
#elif PRUNUS_WIDTH == 8
    return reinterpret_cast<Lanes>(_mm256_madd_epi16(reinterpret_cast<__m256i>(bytes), reinterpret_cast<__m256i>(weights)));
#else
    return reinterpret_cast<Lanes>(_mm_madd_epi16(reinterpret_cast<__m128i>(bytes), reinterpret_cast<__m128i>(weights)));
#endif
}
inline Lanes dot(Lanes sum, Lanes bytes, const Weights& weights) {
    const Lanes bytes_of_two = broadcast_lanes(0x00ff00ff);
    return sum + products(bytes & bytes_of_two, weights.even) + products((bytes >> 8) & bytes_of_two, weights.odd);
}
#else
struct Weights {
    std::int32_t of[4];
    explicit Weights(std::int32_t quad)
        : of{static_cast<std::int8_t>(quad), static_cast<std::int8_t>(quad >> 8), static_cast<std::int8_t>(quad >> 16), quad >> 24} {}
};
inline Lanes dot(Lanes sum, Lanes bytes, const Weights& weights) {
    for (int i = 0; i < 4; ++i) sum += ((bytes >> (8 * i)) & 255) * weights.of[i];
    return sum;
}
#endif

}  // namespace prunus::PRUNUS_ISA
