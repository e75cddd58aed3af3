#include "rows.h"

#include <algorithm>
#include <stdexcept>

namespace prunus {
namespace {

constexpr int block_size = 65536;

int items_for(std::ptrdiff_t rows, std::ptrdiff_t work, const Threads& threads) {
    constexpr std::ptrdiff_t least_work = 16384;
    return static_cast<int>(std::min({rows, std::max<std::ptrdiff_t>(1, work / least_work), static_cast<std::ptrdiff_t>(threads.count()) * 4}));
}

}  // namespace

Rows::Rows(const Isa& isa, const std::string& kind, std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t in,
           std::ptrdiff_t out, std::vector<float> scale, std::vector<float> shift, float epsilon)
    : isa_(isa), rows_(rows), columns_(columns), in_(in), out_(out), scale_(std::move(scale)), shift_(std::move(shift)), epsilon_(epsilon) {
    if (kind == "softmax") kind_ = Kind::softmax;
    else if (kind == "layer_norm") kind_ = Kind::layer_norm;
    else if (kind == "mean") kind_ = Kind::mean;
    else throw std::invalid_argument("there is no operation '" + kind + "' on rows");
    const std::size_t wanted = kind_ == Kind::layer_norm ? static_cast<std::size_t>(columns) : 0;
    if (scale_.size() != wanted || shift_.size() != wanted) throw std::invalid_argument("scale and shift need a value per column");
    if (columns < 1) throw std::invalid_argument("a row must have a value");
}

void Rows::run(Bases bases, Threads& threads) const {
    const int items = items_for(rows_, rows_ * columns_ * 4, threads);
    threads.run(items, [&](int item) {
        for (std::ptrdiff_t row = rows_ * item / items; row < rows_ * (item + 1) / items; ++row) {
            const float* in = bases[0] + in_ + row * columns_;
            float* out = bases[0] + out_ + row * (kind_ == Kind::mean ? 1 : columns_);
            if (kind_ == Kind::softmax) isa_.softmax(in, out, columns_);
            else if (kind_ == Kind::mean) *out = isa_.sum_row(in, columns_) / static_cast<float>(columns_);
            else isa_.layer_norm(in, out, columns_, scale_.data(), shift_.data(), epsilon_);
        }
    });
}

MatMul::MatMul(const Isa& isa, std::ptrdiff_t rows, std::ptrdiff_t inner, std::ptrdiff_t columns, std::vector<Pair> pairs)
    : isa_(isa), rows_(rows), inner_(inner), columns_(columns), pairs_(std::move(pairs)) {}

void MatMul::run(Bases bases, Threads& threads) const {
    constexpr std::ptrdiff_t band = 48;
    const std::ptrdiff_t bands = (rows_ + band - 1) / band;
    threads.run(static_cast<int>(bands * static_cast<std::ptrdiff_t>(pairs_.size())), [&](int item) {
        const Pair& pair = pairs_[item / bands];
        const std::ptrdiff_t first = item % bands * band;
        isa_.matmul(bases[0] + pair.left + first * inner_, inner_, bases[0] + pair.right, columns_,
                    bases[0] + pair.out + first * columns_, columns_, std::min(band, rows_ - first), inner_, columns_);
    });
}

Linear::Linear(const Isa& isa, bool sparse, int rows, int size, int features, std::ptrdiff_t in, std::ptrdiff_t out,
               std::ptrdiff_t residual, const float* weights, const float* bias, const Activation& activation, int threads)
    : isa_(isa), sparse_(sparse), rows_(rows), size_(size), features_(features), in_(in), out_(out), residual_(residual),
      activation_(activation), bias_(bias, bias + features) {
    std::vector<std::int64_t> work(static_cast<std::size_t>(features), sparse ? 4 : size);
    if (!sparse) {
        values_.assign(weights, weights + static_cast<std::ptrdiff_t>(features) * size);
    } else {
        for (int begin = 0; begin < size; begin += block_size) {
            for (int f = 0; f < features; ++f) {
                starts_.push_back(static_cast<std::int64_t>(values_.size()));
                for (int k = begin; k < std::min(size, begin + block_size); ++k) {
                    const float weight = weights[static_cast<std::ptrdiff_t>(f) * size + k];
                    any_zero_ |= weight == 0;
                    if (weight == 0) continue;
                    values_.push_back(weight);
                    indices_.push_back(static_cast<std::uint16_t>(k - begin));
                    ++work[f];
                }
            }
            starts_.push_back(static_cast<std::int64_t>(values_.size()));
        }
        values_.shrink_to_fit();
        indices_.shrink_to_fit();
    }
    const int parts = threads == 1 ? 1 : std::min(features, 4 * threads);
    std::int64_t total = 0, before = 0;
    for (const std::int64_t one : work) total += one;
    for (int f = 0; f < features; ++f) {
        if (before * parts >= total * static_cast<std::int64_t>(parts_.size())) parts_.push_back(f);
        before += work[f];
    }
    parts_.push_back(features);
}

void Linear::run(Bases bases, Threads& threads) const {
    // 0 where all of a row of the input is finite, else NaN: what a dense layer gets from its zeros.
    std::vector<float> poison(static_cast<std::size_t>(rows_), 0.0f);
    if (any_zero_)
        for (int r = 0; r < rows_; ++r) poison[r] = isa_.zero_times(bases[0] + in_ + static_cast<std::ptrdiff_t>(r) * size_, size_);
    threads.run(static_cast<int>(parts_.size()) - 1, [&](int part) { run_features(bases, parts_[part], parts_[part + 1], poison); });
}

void Linear::run_features(Bases bases, int first, int last, const std::vector<float>& poison) const {
    for (int row = 0; row < rows_; ++row) {
        const float* in = bases[0] + in_ + static_cast<std::ptrdiff_t>(row) * size_;
        float* out = bases[0] + out_ + static_cast<std::ptrdiff_t>(row) * features_;
        for (int f = first; f < last; ++f) {
            float sum = bias_[f];
            if (poison[row] != 0) sum += multiply_zeros(in, f);
            if (!sparse_) sum += isa_.dot(values_.data() + static_cast<std::ptrdiff_t>(f) * size_, in, size_);
            for (int block = 0; sparse_ && block * block_size < size_; ++block) {
                const std::int64_t* starts = starts_.data() + static_cast<std::ptrdiff_t>(block) * (features_ + 1) + f;
                sum += isa_.sparse_dot(values_.data() + starts[0], indices_.data() + starts[0], in + block * block_size, starts[1] - starts[0]);
            }
            if (residual_ >= 0) sum += bases[0][residual_ + static_cast<std::ptrdiff_t>(row) * features_ + f];
            out[f] = sum;
        }
        if (activation_.function != Function::none) isa_.activate(activation_, out + first, last - first);
    }
}

// What a dense layer gets from the zeros of a row of weights that were skipped: NaN where infinity or NaN meets one.
float Linear::multiply_zeros(const float* in, int feature) const {
    float sum = 0;
    for (int block = 0; block * block_size < size_; ++block) {
        const std::int64_t* starts = starts_.data() + static_cast<std::ptrdiff_t>(block) * (features_ + 1) + feature;
        std::int64_t next = starts[0];
        for (int k = block * block_size; k < std::min(size_, (block + 1) * block_size); ++k) {
            if (next < starts[1] && indices_[next] == k - block * block_size)
                ++next;
            else
                sum += 0.0f * in[k];
        }
    }
    return sum;
}

std::ptrdiff_t Linear::size_bytes() const {
    return static_cast<std::ptrdiff_t>(4 * (values_.size() + bias_.size()) + 2 * indices_.size() + 8 * starts_.size());
}

}  // namespace prunus
