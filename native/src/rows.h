// What works on whole rows of a row-major array: softmax, layer normalisation and means.
#pragma once

#include <string>
#include <vector>

#include "isa.h"
#include "pages.h"
#include "map.h"
#include "step.h"

namespace prunus {

class Rows : public Step {
   public:
    // kind: "softmax", "layer_norm" (scale and shift have one value per column) or "mean" (one value per row comes out).
    Rows(const Isa& isa, const std::string& kind, std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t in, std::ptrdiff_t out,
         std::vector<float> scale, std::vector<float> shift, float epsilon);
    void run(Bases bases, Threads& threads) const override;

   private:
    enum class Kind { softmax, layer_norm, mean };
    const Isa& isa_;
    Kind kind_;
    std::ptrdiff_t rows_, columns_, in_, out_;
    std::vector<float> scale_, shift_;
    float epsilon_;
};

// out = left @ right for many pairs of row-major matrices.
class MatMul : public Step {
   public:
    struct Pair {
        std::ptrdiff_t left, right, out;  // offsets
    };
    MatMul(const Isa& isa, std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t columns, std::vector<Pair> pairs);
    void run(Bases bases, Threads& threads) const override;

   private:
    const Isa& isa_;
    std::ptrdiff_t rows_, inner_, columns_;
    std::vector<Pair> pairs_;
};

// A linear layer over few rows, bound by the bytes of its weights: rows of weights against the input, dense or sparse with
// indices of 16 bits.
class Linear : public Step {
   public:
    // in: [rows, size], out: [rows, features], row-major; residual: as out, or -1. weights: [features, size].
    Linear(const Isa& isa, bool sparse, int rows, int size, int features, std::ptrdiff_t in, std::ptrdiff_t out, std::ptrdiff_t residual,
           const float* weights, const float* bias, const Activation& activation, int threads);
    void run(Bases bases, Threads& threads) const override;
    std::ptrdiff_t size_bytes() const override;

   private:
    void run_features(Bases bases, int first, int last, const std::vector<float>& poison) const;
    float multiply_zeros(const float* in, int feature) const;

    const Isa& isa_;
    bool sparse_;
    int rows_, size_, features_;
    std::ptrdiff_t in_, out_, residual_;
    Activation activation_;
    Stream<float> values_;
    std::vector<float> bias_;
    Stream<std::uint16_t> indices_;
    std::vector<std::int64_t> starts_;  // [blocks][features + 1] of `values_`; a block holds 65536 of the input
    std::vector<int> parts_;
    bool any_zero_ = false;
};

}  // namespace prunus
