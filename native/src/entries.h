// The weights of a convolution as the tile kernels read them: streams of those that are not zero.
#pragma once

#include <cstdint>
#include <vector>

#include "conv_shape.h"
#include "isa.h"
#include "pages.h"
#include "view.h"

namespace prunus {

struct EntryPlan {
    ConvShape shape;
    ConvChoice choice;
    View in;
    int out_channels;
    int at_once;  // output channels
    int blocks;   // of input channels
    int asked;    // cells of each row that memory is asked for early with each group
    bool edges;   // tiles are as wide as the image, so that its first column never wants what lies to the left, nor its last what to the right
    std::vector<KernelRows> ranges;  // that tiles want
};

class Entries {
   public:
    Entries() = default;

    // `weights` as those of `Conv`.
    Entries(const EntryPlan& plan, const float* weights);

    const std::uint32_t* offsets() const { return offsets_.data(); }
    const float* values() const { return values_.data(); }
    std::ptrdiff_t count() const { return static_cast<std::ptrdiff_t>(offsets_.size()); }
    std::ptrdiff_t least_offset() const { return least_offset_; }  // bytes, not above 0: what the offsets are counted from

    int groups() const { return groups_; }
    const Span* spans(int range, int block) const { return spans_.data() + (static_cast<std::ptrdiff_t>(range) * plan_.blocks + block) * groups_; }
    const std::int32_t* taps(int block) const { return begins_.data() + static_cast<std::ptrdiff_t>(block) * groups_ * (taps_ + 1); }
    std::vector<std::int64_t> work() const;  // of each group

    bool in_twos() const { return in_twos_; }  // whether there are some of the first two ranges

    bool skips() const { return !skipped_.empty(); }
    bool skips(int out_channel, int column) const { return skipped_[static_cast<std::size_t>(out_channel) * filter_ + column]; }

    std::ptrdiff_t size_bytes() const;

   private:
    // Of a weight, or of all those of a group: a pair are neighbours in a row, and the second follows the first.
    enum class Role : std::uint8_t { zero, single, pair, second, left, right };
    static constexpr int role_kinds = 6;

    void add_group(const float* weights, int block, int group);
    void add_twins(const float* weights, int block, int group);
    void add_taps(const float* weights, int block, int group);
    std::vector<Role> roles_of(const float* weights, int group, int begin, int end) const;
    void find_pairs(Role* row) const;
    void find_edges(std::vector<Role>& roles) const;
    void add(const float* weights, int group, int first, int last, int column);
    void skip(int out_channel, int column);
    int rows_of(int group) const;
    int begin_of(int block) const;
    std::int32_t position() const { return static_cast<std::int32_t>(offsets_.size()); }
    std::int32_t ahead_of(int block, int group) const;
    Span& span(int range, int block, int group) { return spans_[(static_cast<std::size_t>(range) * plan_.blocks + block) * groups_ + group]; }

    EntryPlan plan_{};
    int groups_ = 0, taps_ = 0, filter_ = 0;
    std::ptrdiff_t least_offset_ = 0;
    bool in_twos_ = false;
    std::vector<Span> spans_;  // [ranges][blocks][groups]
    std::vector<std::int32_t> begins_;  // of whole images: [blocks][groups][taps and the end]
    Stream<std::uint32_t> offsets_;
    Stream<float> values_;       // in a sparse form one per entry, else one per entry and output channel of the group
    std::vector<bool> skipped_;  // [out channels][weights of a channel]: zeros that are not multiplied; empty: none
};

}  // namespace prunus
