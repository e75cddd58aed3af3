#include "isa.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace prunus {

extern const Isa isa_baseline, isa_avx2, isa_avx512, isa_neon;
extern const Int8 table_int8_baseline, table_int8_avx2, table_int8_avxvnni, table_int8_avx512, table_int8_avx512vnni, table_int8_amx, table_int8_neon;

namespace {

struct Compiled {
    const char* name;
    const Isa* isa;  // all functions but those for bytes
    const Int8* int8;
    bool (*had)();
};

bool always() { return true; }

#if defined(__x86_64__)
// These builtins ask CPUID and whether the operating system keeps the registers. VNNI has none of its own.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

struct Features {  // that not all compilers have a name for
    unsigned a = 0, b = 0, c = 0, d = 0;
    explicit Features(unsigned part) { __get_cpuid_count(7, part, &a, &b, &c, &d); }
};
bool has_avxvnni() { return has_avx2() && (Features(1).a >> 4 & 1); }

#if defined(PRUNUS_EMULATE_AVX512)
bool has_avx512() { return has_avx2(); }
bool has_avx512vnni() { return has_avx2(); }
bool has_amx() { return has_avx2(); }
#else
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

// The tiles are many registers; the kernel keeps them for processes that have asked. What was granted holds for all threads.
bool has_amx() {
#if defined(__linux__) && !defined(PRUNUS_WITHOUT_AMX)
    constexpr unsigned tiles_and_int8 = 3u << 24;
    constexpr long ask_permission = 0x1023, tile_data = 18;
    static const bool granted = (Features(0).d & tiles_and_int8) == tiles_and_int8 && syscall(SYS_arch_prctl, ask_permission, tile_data) == 0;
    return has_avx512vnni() && granted;
#else
    return false;
#endif
}
#endif
const Compiled compiled[] = {
    {"baseline", &isa_baseline, &table_int8_baseline, always},
    {"avx2", &isa_avx2, &table_int8_avx2, has_avx2},
    {"avx2-vnni", &isa_avx2, &table_int8_avxvnni, has_avxvnni},
    {"avx512", &isa_avx512, &table_int8_avx512, has_avx512},
    {"avx512-vnni", &isa_avx512, &table_int8_avx512vnni, has_avx512vnni},
    {"amx", &isa_avx512, &table_int8_amx, has_amx},
};
#elif defined(__aarch64__)
const Compiled compiled[] = {{"neon", &isa_neon, &table_int8_neon, always}};
#else
const Compiled compiled[] = {{"baseline", &isa_baseline, &table_int8_baseline, always}};
#endif

// All functions of one, made when it is asked for first.
const Isa& complete(const Compiled& one) {
    static std::map<std::string, Isa> made;
    static std::mutex making;
    const std::lock_guard<std::mutex> lock(making);
    const auto [place, is_new] = made.try_emplace(one.name, *one.isa);
    if (is_new) place->second.name = one.name, place->second.int8 = one.int8;
    return place->second;
}

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
    for (const Compiled& one : compiled) names.push_back(one.name);
    return names;
}

std::vector<std::string> isas_of_this_machine() {
    std::vector<std::string> names;
    for (const Compiled& one : compiled)
        if (one.had()) names.push_back(one.name);
    return names;
}

const Isa& choose_isa(const std::string& name) {
    const char* override_ = std::getenv("PRUNUS_ISA");
    const std::string wanted = !name.empty() ? name : override_ ? override_ : "";
    const Compiled* best = nullptr;
    for (const Compiled& one : compiled)
        if (one.had() && (wanted.empty() || wanted == one.name)) best = &one;
    if (!best)
        throw std::invalid_argument("there is no instruction set '" + wanted + "' here; this machine runs " +
                                    joined(isas_of_this_machine()));
    return complete(*best);
}

}  // namespace prunus
