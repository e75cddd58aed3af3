// Cutting work into pieces.
#pragma once

#include <cstdint>

namespace prunus {

inline int divide_up(int value, int by) { return (value + by - 1) / by; }

// Cuts `total` into pieces of nearly the same length, none longer than `total / pieces` rounded up: where piece i begins.
inline int piece_begin(int total, int pieces, int i) { return static_cast<int>(static_cast<std::int64_t>(total) * i / pieces); }

}  // namespace prunus
