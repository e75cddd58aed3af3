// Every kernel against a reference in double, on the instruction sets named, else on every one that this machine has. The tests in Python try more
// shapes; these run where there is no Python: under sanitizers, and on other processors' emulators.
#include <cstdio>
#include <set>

#include "check.h"

void Report::fail(const std::string& what) {
    if (++failures <= 20) std::fprintf(stderr, "FAILED %s\n", what.c_str());
}

int main(int count, char** given) {
    const std::vector<std::string> named(given + 1, given + count);
    int failures = 0;
    std::set<const void*> fp32;
    for (const std::string& name : named.empty() ? prunus::isas_of_this_machine() : named) {
        const prunus::Isa& isa = prunus::choose_isa(name);
        Report report;
        for (const auto test : {test_bytes, test_moved_bytes}) test(isa, report);
        // Some instruction sets differ from the one before them in their kernels for bytes alone.
        const bool floats = fp32.insert(reinterpret_cast<const void*>(isa.combine)).second;
        if (floats)
            for (const auto test : {test_convolutions, test_streamed, test_whole, test_pooled, test_winograd, test_linear_layers, test_pools, test_maps, test_rows, test_threads}) test(isa, report);
        std::printf("%s: %d checks, %d failed\n", isa.name, report.checks, report.failures);
        failures += report.failures;
    }
    return failures != 0;
}
