// Functions of every element, by name as in prunus.sparse.program.
#pragma once

#include <string>

namespace prunus {

enum class Function { none, relu, leaky_relu, clip, sigmoid, hard_sigmoid, hard_swish, silu, gelu, gelu_tanh, tanh, erf, sqrt, nan_to_zero };

struct Activation {
    Function function = Function::none;
    float a = 0, b = 0;

    // Throws std::invalid_argument for an unknown name.
    static Activation named(const std::string& name, float a, float b);
};

}  // namespace prunus
