// One vector register as GCC and Clang know it, in the width of the unit that includes this file.
// The file is compiled once per instruction set: PRUNUS_ISA names the namespace, PRUNUS_WIDTH the lanes.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace prunus::PRUNUS_ISA {

constexpr int width = PRUNUS_WIDTH;
constexpr int vector_bytes = width * static_cast<int>(sizeof(float));

typedef float Vector __attribute__((vector_size(width * 4)));
typedef std::int32_t Lanes __attribute__((vector_size(width * 4)));

// So many products are added to one sum at most, which then goes to a total: an addition rounds off more the larger the sum
// is, so that what is lost grows with the length of a chain (Higham 1993). Even, since entries of kernels come in twos.
constexpr int chain = 96;

inline Vector load(const char* at) {
    typedef float Unaligned __attribute__((vector_size(width * 4), aligned(4), may_alias));
    return *reinterpret_cast<const Unaligned*>(at);
}
inline Vector load(const float* at) { return load(reinterpret_cast<const char*>(at)); }

// Stays in a register: a compiler would load it again for each use.
inline __attribute__((always_inline)) void keep([[maybe_unused]] Vector& value) {
#if defined(__x86_64__) && (PRUNUS_WIDTH < 16 || defined(__AVX512F__))
    __asm__("" : "+v"(value));
#elif defined(__aarch64__)
    __asm__("" : "+w"(value));
#endif
}

inline void store(char* at, Vector value) {
    typedef float Unaligned __attribute__((vector_size(width * 4), aligned(4), may_alias));
    *reinterpret_cast<Unaligned*>(at) = value;
}
inline void store(float* at, Vector value) { store(reinterpret_cast<char*>(at), value); }

// To memory, past the caches, where the machine can; at a multiple of the vector's bytes.
inline void stream(char* at, Vector value) {
#if defined(__clang__)
    __builtin_nontemporal_store(value, reinterpret_cast<Vector*>(at));
#elif defined(__AVX512F__) && PRUNUS_WIDTH == 16
    __builtin_ia32_movntps512(reinterpret_cast<float*>(at), value);
#elif defined(__AVX__) && PRUNUS_WIDTH == 8
    __builtin_ia32_movntps256(reinterpret_cast<float*>(at), value);
#elif defined(__SSE__) && PRUNUS_WIDTH == 4
    __builtin_ia32_movntps(reinterpret_cast<float*>(at), value);
#else
    store(at, value);
#endif
}

// What was streamed is seen by other threads afterwards.
inline void drain() {
#if defined(__SSE__)
    __builtin_ia32_sfence();
#endif
}

// x - 0 is x for every x (-0 and NaN too), so that compilers make one broadcast of it.
inline Vector broadcast(float value) { return value - Vector{}; }

// Of two neighbours in memory: both broadcast, by one load.
template <int... I>
inline void broadcast_pair(const float* at, Vector& first, Vector& second, std::integer_sequence<int, I...>) {
    typedef double Doubles __attribute__((vector_size(width * 4)));
    double both;
    std::memcpy(&both, at, sizeof both);
    const Vector pairs = reinterpret_cast<Vector>(both - Doubles{});
    first = __builtin_shufflevector(pairs, pairs, (I & ~1)...);
    second = __builtin_shufflevector(pairs, pairs, (I | 1)...);
}
inline void broadcast_pair(const float* at, Vector& first, Vector& second) {
    broadcast_pair(at, first, second, std::make_integer_sequence<int, width>());
}

inline Vector bits(Lanes lanes) { return reinterpret_cast<Vector>(lanes); }
inline Lanes bits(Vector vector) { return reinterpret_cast<Lanes>(vector); }

// Of a NaN in `value` both give the NaN back, as clamping does in torch and ONNX Runtime.
inline Vector at_least(Vector value, Vector low) { return low > value ? low : value; }
inline Vector at_most(Vector value, Vector high) { return high < value ? high : value; }

}  // namespace prunus::PRUNUS_ISA
