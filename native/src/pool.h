// Pooling of images, in every layout.
#pragma once

#include "isa.h"
#include "step.h"
#include "view.h"

namespace prunus {

struct PoolShape {
    int kernel_height, kernel_width, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
    bool largest;        // else the average
    bool count_padding;  // an average divides by the size of the kernel, else by the pixels that were there
};

// One channel of one image.
struct PoolPlane {
    const float* in;
    float* out;
    std::ptrdiff_t in_row, out_row;  // floats
    int in_height, in_width, out_height, out_width, lanes;
    std::ptrdiff_t ahead;  // floats to the input that is pooled next, for which memory is asked early; 0: it is not
};

class Pool : public Step {
   public:
    Pool(const Isa& isa, const PoolShape& shape, const View& in, const View& out);
    void run(Bases bases, Threads& threads) const override;

   private:
    const Isa& isa_;
    PoolShape shape_;
    View in_, out_;
};

}  // namespace prunus
