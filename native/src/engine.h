// Memory, threads and the list of steps that a program has become.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "isa.h"
#include "step.h"

namespace prunus {

class Engine {
   public:
    // isa: a name, or "" for the best that PRUNUS_ISA and the machine allow.
    Engine(const std::string& isa, int threads);

    const Isa& isa() const { return isa_; }
    int threads() const { return threads_.count(); }

    void allocate(std::ptrdiff_t floats);  // all zero
    float* memory() { return memory_.get(); }
    std::ptrdiff_t size() const { return size_; }

    void append(std::shared_ptr<const Step> step) { steps_.push_back(std::move(step)); }

    // `outer` are the inputs, then the outputs. Writes the seconds of every step where `seconds` is given.
    void run(const std::vector<float*>& outer, std::vector<double>* seconds);

    // The least seconds of the processor that a step by itself took, of runs for so many; of two where they are above the
    // limit.
    double time(const Step& step, double seconds, double limit);

   private:
    struct Free {
        void operator()(float* memory) const;
    };

    const Isa& isa_;
    Threads threads_;
    std::unique_ptr<float[], Free> memory_;
    std::ptrdiff_t size_ = 0;
    std::vector<std::shared_ptr<const Step>> steps_;
    ForkedMutex running_;
};

}  // namespace prunus
