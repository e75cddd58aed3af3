// One operation, ready to run.
#pragma once

#include <cstddef>

#include "threads.h"

namespace prunus {

// Where floats lie when a step runs: [0] is the engine's own memory, after it come the inputs, then the outputs.
using Bases = float* const*;

class Step {
   public:
    virtual ~Step() = default;
    virtual void run(Bases bases, Threads& threads) const = 0;
    virtual std::ptrdiff_t size_bytes() const { return 0; }  // of its packed weights
};

// Memory of each thread, kept between runs; begins at a cache line.
float* scratch_memory(std::ptrdiff_t floats);

}  // namespace prunus
