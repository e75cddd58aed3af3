#include "entries.h"

#include <algorithm>

#include "pieces.h"

namespace prunus {

// Entries of one block are together, in it those of one group of output channels, in it those of each kind, in it those of
// one row of the kernel, in it by input channel.
Entries::Entries(const EntryPlan& plan, const float* weights) : plan_(plan) {
    const ConvShape& shape = plan.shape;
    groups_ = divide_up(plan.out_channels, plan.at_once);
    taps_ = shape.kernel_height * shape.kernel_width, filter_ = plan.in.channels / shape.groups * taps_;
    // Offsets are counted from the first input that any entry wants, so that they are unsigned and fit 32 bits.
    least_offset_ = -(shape.pad_y * plan.in.row + shape.pad_x * plan.in.lanes) * 4;
    spans_.resize(plan.ranges.size() * static_cast<std::size_t>(plan.blocks * groups_));
    for (int block = 0; block < plan.blocks; ++block)
        for (int group = 0; group < groups_; ++group)
            plan.choice.group == whole ? add_taps(weights, block, group) : plan.choice.group == 2 ? add_twins(weights, block, group) : add_group(weights, block, group);
    in_twos_ = std::any_of(spans_.begin(), spans_.end(), [](const Span& span) {
        return span.shared.begin < span.shared.end || span.couples.begin < span.couples.end;
    });
    offsets_.shrink_to_fit();
    values_.shrink_to_fit();
}

int Entries::rows_of(int group) const { return std::min(plan_.at_once, plan_.out_channels - group * plan_.at_once); }

int Entries::begin_of(int block) const { return piece_begin(plan_.in.channels / plan_.shape.groups, plan_.blocks, block); }

void Entries::skip(int out_channel, int column) {
    if (skipped_.empty()) skipped_.resize(static_cast<std::size_t>(plan_.out_channels) * filter_);
    skipped_[static_cast<std::size_t>(out_channel) * filter_ + column] = true;
}

// One entry, with the weights of some output channels of a group.
void Entries::add(const float* weights, int group, int first, int last, int column) {
    const ConvShape& shape = plan_.shape;
    const int out = group * plan_.at_once, in_channels = plan_.in.channels / shape.groups, ky = column % taps_ / shape.kernel_width;
    const int channel = out / (plan_.out_channels / shape.groups) * in_channels + column / taps_, kx = column % shape.kernel_width;
    const int y = ky * shape.dilation_y - shape.pad_y, x = kx * shape.dilation_x - shape.pad_x;
    const std::ptrdiff_t offset = channel * plan_.in.plane + y * plan_.in.row + x * plan_.in.lanes;
    offsets_.push_back(static_cast<std::uint32_t>(offset * 4 - least_offset_));
    for (int k = first; k < last; ++k)
        values_.push_back(k < rows_of(group) ? weights[static_cast<std::ptrdiff_t>(out + k) * filter_ + column] : 0.0f);
}

void Entries::find_pairs(Role* row) const {
    const ConvShape& shape = plan_.shape;
    const int next = shape.stride_x / shape.dilation_x;
    if (plan_.choice.group != 1 || plan_.in.lanes == 1 || shape.stride_x % shape.dilation_x) return;
    for (int kx = 0; kx + next < shape.kernel_width; ++kx)
        if (row[kx] == Role::single && row[kx + next] == Role::single) row[kx] = Role::pair, row[kx + next] = Role::second;
}

// One weight of the first column of the kernel for one of its last, as many as there are of both in each row of the kernel.
void Entries::find_edges(std::vector<Role>& roles) const {
    const int width = plan_.shape.kernel_width;
    for (int ky = 0; ky < plan_.shape.kernel_height; ++ky) {
        std::vector<Role*> first, last;
        for (std::size_t row = ky * width; row < roles.size(); row += taps_) {
            if (roles[row] == Role::single) first.push_back(&roles[row]);
            if (roles[row + width - 1] == Role::single) last.push_back(&roles[row + width - 1]);
        }
        for (std::size_t i = 0; i < std::min(first.size(), last.size()); ++i) *first[i] = Role::left, *last[i] = Role::right;
    }
}

std::vector<Entries::Role> Entries::roles_of(const float* weights, int group, int begin, int end) const {
    std::vector<Role> roles(static_cast<std::size_t>(end - begin), Role::zero);
    for (int k = 0; k < rows_of(group); ++k)
        for (int column = begin; column < end; ++column)
            if (weights[static_cast<std::ptrdiff_t>(group * plan_.at_once + k) * filter_ + column] != 0) roles[column - begin] = Role::single;
    for (std::size_t row = 0; row < roles.size(); row += plan_.shape.kernel_width) find_pairs(&roles[row]);
    if (plan_.edges) find_edges(roles);
    return roles;
}

void Entries::add_group(const float* weights, int block, int group) {
    const int height = plan_.shape.kernel_height, width = plan_.shape.kernel_width, next = plan_.shape.stride_x / plan_.shape.dilation_x;
    const int begin = begin_of(block) * taps_, end = begin_of(block + 1) * taps_, K = plan_.at_once;
    const std::vector<Role> roles = roles_of(weights, group, begin, end);
    std::vector<std::vector<int>> found(static_cast<std::size_t>(role_kinds * height));
    const auto columns_of = [&](Role role, int ky) -> std::vector<int>& { return found[static_cast<std::size_t>(role) * height + ky]; };
    for (int column = begin; column < end; ++column) {  // once: most of the time that loading a network takes is spent here
        const Role role = roles[column - begin];
        if (role == Role::zero)
            for (int k = 0; k < rows_of(group); ++k) skip(group * K + k, column);
        else
            columns_of(role, column % taps_ / width).push_back(column);
    }
    std::vector<std::int32_t> shared{position()}, couples, rest;
    for (int ky = 0; ky < height; ++ky, shared.push_back(position()))
        for (const int column : columns_of(Role::pair, ky)) add(weights, group, 0, K, column), add(weights, group, 0, K, column + next);
    couples.push_back(position());
    for (int ky = 0; ky < height; ++ky, couples.push_back(position())) {
        const std::vector<int>&left = columns_of(Role::left, ky), &right = columns_of(Role::right, ky);
        for (std::size_t i = 0; i < left.size(); ++i) add(weights, group, 0, K, left[i]), add(weights, group, 0, K, right[i]);
    }
    // Every second group goes through the input backwards: what the one before read last is in the first cache still.
    const bool backwards = group % 2;
    rest.push_back(position());
    for (int row = 0; row < height; ++row, rest.push_back(position())) {
        std::vector<int>& columns = columns_of(Role::single, backwards ? height - 1 - row : row);
        if (backwards) std::reverse(columns.begin(), columns.end());
        for (const int column : columns) add(weights, group, 0, K, column);
    }
    for (std::size_t range = 0; range < plan_.ranges.size(); ++range) {
        const auto [first, last] = plan_.ranges[range];
        span(static_cast<int>(range), block, group) = {{shared[first], shared[last]}, {couples[first], couples[last]},
            {rest[backwards ? height - last : first], rest[backwards ? height - first : last]}, 0, ahead_of(block, group)};
    }
}

// What both output channels want, what each wants by itself, one of each in turn, and what is left of one.
void Entries::add_twins(const float* weights, int block, int group) {
    const float* const of = weights + static_cast<std::ptrdiff_t>(group) * 2 * filter_;
    std::vector<int> both, single[2];
    for (int column = begin_of(block) * taps_; column < begin_of(block + 1) * taps_; ++column) {
        const bool wants[] = {of[column] != 0, rows_of(group) > 1 && of[filter_ + column] != 0};
        for (int k = 0; k < rows_of(group); ++k)
            if (!wants[k]) skip(group * 2 + k, column);
        if (wants[0] && wants[1]) both.push_back(column);
        if (wants[0] != wants[1]) single[wants[1]].push_back(column);
    }
    const std::size_t couples = std::min(single[0].size(), single[1].size());
    Span& span = this->span(0, block, group);
    span.shared.begin = position();
    for (const int column : both) add(weights, group, 0, 1, column), add(weights, group, 1, 2, column);
    span.shared.end = span.couples.begin = position();
    for (std::size_t i = 0; i < couples; ++i) add(weights, group, 0, 1, single[0][i]), add(weights, group, 1, 2, single[1][i]);
    span.couples.end = span.rest.begin = position();
    span.rest_of = single[1].size() > couples;
    for (std::size_t i = couples; i < single[span.rest_of].size(); ++i) add(weights, group, span.rest_of, span.rest_of + 1, single[span.rest_of][i]);
    span.rest.end = position();
    span.ahead = ahead_of(block, group);
}

// Tap by tap of the kernel, for a tile that is a whole image.
void Entries::add_taps(const float* weights, int block, int group) {
    const float* const of = weights + static_cast<std::ptrdiff_t>(group) * filter_;
    Span& span = this->span(0, block, group);
    span.rest.begin = position();
    for (int tap = 0; tap < taps_; ++tap) {
        begins_.push_back(position());
        for (int column = begin_of(block) * taps_ + tap; column < begin_of(block + 1) * taps_; column += taps_)
            of[column] != 0 ? add(weights, group, 0, 1, column) : skip(group, column);
    }
    begins_.push_back(position());
    span.rest.end = position();
}

// The tile below will want rows of the input that this one does not.
std::int32_t Entries::ahead_of(int block, int group) const {
    const int columns = plan_.choice.columns, channel = begin_of(block) + group * plan_.asked / columns;
    if (!plan_.asked || channel >= begin_of(block + 1)) return 0;
    const int down = plan_.choice.rows * plan_.shape.stride_y + (plan_.shape.kernel_height - 1) * plan_.shape.dilation_y;
    const int cell = plan_.shape.pad_x + group * plan_.asked % columns;
    return static_cast<std::int32_t>(4 * (channel * plan_.in.plane + down * plan_.in.row + cell * plan_.in.lanes));
}

std::vector<std::int64_t> Entries::work() const {
    std::vector<std::int64_t> work(static_cast<std::size_t>(groups_), 4);
    for (std::size_t i = 0; i < spans_.size(); ++i) work[i % groups_] += spans_[i].size();
    return work;
}

std::ptrdiff_t Entries::size_bytes() const {
    return static_cast<std::ptrdiff_t>(spans_.size() * sizeof(Span) + 4 * (offsets_.size() + values_.size()) + skipped_.size() / 8 + 4 * begins_.size());
}

}  // namespace prunus
