#include "activation.h"

#include <stdexcept>

namespace prunus {

Activation Activation::named(const std::string& name, float a, float b) {
    static const char* const names[] = {"",     "relu", "leaky_relu", "clip", "sigmoid", "hard_sigmoid", "hard_swish",
                                        "silu", "gelu", "gelu_tanh",  "tanh", "erf",     "sqrt",
                                        "nan_to_zero"};
    int index = 0;
    for (const char* known : names) {
        if (name == known) return {static_cast<Function>(index), a, b};
        ++index;
    }
    throw std::invalid_argument("there is no function '" + name + "'");
}

}  // namespace prunus
