// Element by element over strided arrays: arithmetic of two with broadcasting, and copies, which are how everything is
// moved: slices, concatenations, transpositions, and changes of layout.
#pragma once

#include <string>
#include <vector>

#include "activation.h"
#include "isa.h"
#include "step.h"

namespace prunus {

enum class Operator { copy, add, subtract, multiply, divide };

// A strided array: strides count floats; 0 where it is broadcast.
struct Strided {
    int base;  // which of the bases
    std::ptrdiff_t offset;
    std::vector<std::ptrdiff_t> strides;
};

class Map : public Step {
   public:
    // The operator is "copy" (the right side is not looked at), "add", "subtract", "multiply" or "divide".
    Map(const Isa& isa, const std::string& op, std::vector<std::ptrdiff_t> shape, Strided out, Strided left, Strided right,
        const Activation& activation);

    void run(Bases bases, Threads& threads) const override;

   private:
    void merge_dimensions();
    void find_transposition();
    void run_rows(Bases bases, std::ptrdiff_t first, std::ptrdiff_t last) const;

    const Isa& isa_;
    Operator operator_;
    std::vector<std::ptrdiff_t> shape_;  // of the outer dimensions; the innermost is a row
    std::ptrdiff_t row_ = 1;
    // Of a copy whose rows lie scattered in its source: neighbours there, so many at a time; 0: it is none.
    std::ptrdiff_t neighbours_ = 0, neighbour_stride_ = 0;
    Strided out_, left_, right_;
    Activation activation_;
};

}  // namespace prunus
