#include "isa.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <stdexcept>

namespace prunus {

extern const Isa isa_baseline, isa_avx2, isa_avx512, isa_neon;

namespace {

struct Compiled {
    const Isa* isa;
    bool (*had)();
};

bool always() { return true; }

#if defined(__x86_64__)
// These builtins ask CPUID and whether the operating system keeps the registers.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
#if defined(PRUNUS_EMULATE_AVX512)
    return has_avx2();
#endif
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
const Compiled compiled[] = {{&isa_baseline, always}, {&isa_avx2, has_avx2}, {&isa_avx512, has_avx512}};
#elif defined(__aarch64__)
const Compiled compiled[] = {{&isa_neon, always}};
#else
const Compiled compiled[] = {{&isa_baseline, always}};
#endif

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

}  // namespace

TileKernel Isa::tile(int group, int rows, int columns, int stride) const {
    const auto kind = std::find(std::begin(group_sizes), std::end(group_sizes), group) - std::begin(group_sizes);
    const bool known = kind < group_kinds && rows >= 1 && rows <= max_tile_rows && columns >= 1 && columns <= max_tile_cells &&
                       stride >= 1 && stride <= 2;
    return known ? tiles[kind][rows - 1][columns - 1][stride - 1] : nullptr;
}

std::vector<std::string> isas_compiled() {
    std::vector<std::string> names;
    for (const Compiled& one : compiled) names.push_back(one.isa->name);
    return names;
}

std::vector<std::string> isas_of_this_machine() {
    std::vector<std::string> names;
    for (const Compiled& one : compiled)
        if (one.had()) names.push_back(one.isa->name);
    return names;
}

const Isa& choose_isa(const std::string& name) {
    const char* override_ = std::getenv("PRUNUS_ISA");
    const std::string wanted = !name.empty() ? name : override_ ? override_ : "";
    const Isa* best = nullptr;
    for (const Compiled& one : compiled)
        if (one.had() && (wanted.empty() || wanted == one.isa->name)) best = one.isa;
    if (!best)
        throw std::invalid_argument("there is no instruction set '" + wanted + "' here; this machine runs " +
                                    joined(isas_of_this_machine()));
    return *best;
}

}  // namespace prunus
