#include "map.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace prunus {
namespace {

Operator operator_named(const std::string& name) {
    static const char* const names[] = {"copy", "add", "subtract", "multiply", "divide"};
    for (int i = 0; i < 5; ++i)
        if (name == names[i]) return static_cast<Operator>(i);
    throw std::invalid_argument("there is no operator '" + name + "'");
}

// Floats of a line of the cache.
constexpr std::ptrdiff_t block = 16;

// Row i of the source becomes column i: by blocks, so that each line of either is touched once.
void transpose(std::ptrdiff_t rows, std::ptrdiff_t columns, float* out, std::ptrdiff_t out_column, const float* in, std::ptrdiff_t in_row) {
    for (std::ptrdiff_t first = 0; first < columns; first += block)
        for (std::ptrdiff_t begin = 0; begin < rows; begin += block)
            for (std::ptrdiff_t i = begin; i < std::min(rows, begin + block); ++i)
                for (std::ptrdiff_t j = first; j < std::min(columns, first + block); ++j) out[i + j * out_column] = in[i * in_row + j];
}

// Fewer elements than this are not worth waking another thread.
constexpr std::ptrdiff_t least_work = 4096;

}  // namespace

Map::Map(const Isa& isa, const std::string& op, std::vector<std::ptrdiff_t> shape, Strided out, Strided left, Strided right,
         const Activation& activation)
    : isa_(isa), operator_(operator_named(op)), shape_(std::move(shape)), out_(std::move(out)), left_(std::move(left)),
      right_(std::move(right)), activation_(activation) {
    if (operator_ == Operator::copy) right_ = left_;
    for (const Strided* side : {&out_, &left_, &right_})
        if (side->strides.size() != shape_.size()) throw std::invalid_argument("an array must have a stride per dimension");
    merge_dimensions();
    if (operator_ == Operator::copy && activation_.function == Function::none) find_transposition();
}

// Drops dimensions of one element and joins neighbours that are one walk through memory for all sides; puts that
// dimension innermost in which the output is contiguous.
void Map::merge_dimensions() {
    Strided* const sides[] = {&out_, &left_, &right_};
    std::vector<std::size_t> order;
    for (std::size_t d = 0; d < shape_.size(); ++d)
        if (shape_[d] != 1) order.push_back(d);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return out_.strides[a] > out_.strides[b]; });
    std::vector<std::ptrdiff_t> shape, strides[3];
    for (const std::size_t d : order) {
        bool joins = !shape.empty();
        for (int side = 0; side < 3; ++side)
            joins = joins && strides[side].back() == sides[side]->strides[d] * shape_[d];
        if (joins) {
            shape.back() *= shape_[d];
            for (int side = 0; side < 3; ++side) strides[side].back() = sides[side]->strides[d];
        } else {
            shape.push_back(shape_[d]);
            for (int side = 0; side < 3; ++side) strides[side].push_back(sides[side]->strides[d]);
        }
    }
    if (shape.empty()) {
        shape.push_back(1);
        for (auto& side : strides) side.push_back(1);
    }
    row_ = shape.back();
    shape.pop_back();
    shape_ = shape;
    for (int side = 0; side < 3; ++side) sides[side]->strides = strides[side];
}

// Rows that are contiguous in the output only: the dimension that is contiguous in the source goes along with them.
void Map::find_transposition() {
    if (out_.strides.back() != 1 || left_.strides.back() == 1 || left_.strides.back() == 0) return;
    for (std::size_t d = 0; d < shape_.size(); ++d) {
        if (left_.strides[d] != 1) continue;
        neighbours_ = shape_[d], neighbour_stride_ = out_.strides[d];
        if (neighbours_ % block == 0) {  // what is left of the dimension is shared among threads
            neighbours_ = block, shape_[d] /= block;
            for (Strided* side : {&out_, &left_, &right_}) side->strides[d] *= block;
            return;
        }
        shape_.erase(shape_.begin() + static_cast<std::ptrdiff_t>(d));
        for (Strided* side : {&out_, &left_, &right_}) side->strides.erase(side->strides.begin() + static_cast<std::ptrdiff_t>(d));
        return;
    }
}

void Map::run(Bases bases, Threads& threads) const {
    std::ptrdiff_t rows = 1;
    for (const std::ptrdiff_t size : shape_) rows *= size;
    const std::ptrdiff_t most = std::max<std::ptrdiff_t>(1, rows * row_ * std::max<std::ptrdiff_t>(1, neighbours_) / least_work);
    const int items = static_cast<int>(std::min({rows, most, static_cast<std::ptrdiff_t>(threads.count()) * 4}));
    threads.run(items, [&](int i) { run_rows(bases, rows * i / items, rows * (i + 1) / items); });
}

void Map::run_rows(Bases bases, std::ptrdiff_t first, std::ptrdiff_t last) const {
    const int outer = static_cast<int>(shape_.size());
    const std::ptrdiff_t out_step = out_.strides.back(), left_step = left_.strides.back(), right_step = right_.strides.back();
    float* out = bases[out_.base] + out_.offset;
    const float *left = bases[left_.base] + left_.offset, *right = bases[right_.base] + right_.offset;
    const auto go = [&](int d, std::ptrdiff_t count) {
        out += count * out_.strides[d], left += count * left_.strides[d], right += count * right_.strides[d];
    };
    std::vector<std::ptrdiff_t> index(shape_.size());
    std::ptrdiff_t rest = first;
    for (int d = outer - 1; d >= 0; --d) {
        index[d] = rest % shape_[d];
        rest /= shape_[d];
        go(d, index[d]);
    }
    const auto to_next_row = [&] {
        int d = outer - 1;
        for (; d >= 0 && index[d] + 1 == shape_[d]; --d) go(d, -std::exchange(index[d], 0));
        if (d >= 0) go(d, 1), ++index[d];
    };
    for (std::ptrdiff_t row = first; row < last; ++row, to_next_row()) {
        if (neighbours_) {
            transpose(row_, neighbours_, out, neighbour_stride_, left, left_step);
            continue;
        }
        isa_.combine(static_cast<int>(operator_), row_, out, out_step, left, left_step, right, right_step);
        if (activation_.function == Function::none) continue;
        if (out_step == 1)
            isa_.activate(activation_, out, row_);
        else
            for (std::ptrdiff_t i = 0; i < row_; ++i) isa_.activate(activation_, out + i * out_step, 1);
    }
}

}  // namespace prunus
