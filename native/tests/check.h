// What the native tests share: random numbers, and the comparison with a reference in double.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "../src/isa.h"

struct Random {
    explicit Random(unsigned seed) : engine(seed) {}
    int between(int least, int most) { return std::uniform_int_distribution<int>(least, most)(engine); }
    bool chance(double share) { return std::bernoulli_distribution(share)(engine); }
    float normal() { return std::normal_distribution<float>()(engine); }
    int one_of(const std::vector<int>& values) { return values[static_cast<std::size_t>(between(0, static_cast<int>(values.size()) - 1))]; }

    // Normal, but for a share of zeros: none, some, most or all.
    std::vector<float> weights(std::size_t count) {
        const double zeros = std::vector<double>{0, 0.5, 0.9, 1}[static_cast<std::size_t>(between(0, 3))];
        std::vector<float> values(count);
        for (float& value : values) value = chance(zeros) ? 0.0f : normal();
        return values;
    }

    std::mt19937 engine;
};

// Counts a failure and says what it was of, where the found differ from the expected by more than rounding.
class Report {
   public:
    void check(const std::string& what, const std::vector<float>& found, const std::vector<double>& expected) {
        ++checks;
        double scale = 1;
        for (const double value : expected) scale = std::max(scale, std::abs(value));
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const bool same = std::isnan(expected[i]) ? std::isnan(found[i]) : std::abs(found[i] - expected[i]) <= 1e-5 * scale;
            if (!same) return fail(what + ": element " + std::to_string(i) + " is " + std::to_string(found[i]) + ", not " + std::to_string(expected[i]));
        }
    }
    void require(const std::string& what, bool holds) {
        ++checks;
        if (!holds) fail(what);
    }

    int checks = 0, failures = 0;

   private:
    void fail(const std::string& what);
};

void test_convolutions(const prunus::Isa& isa, Report& report);
void test_streamed(const prunus::Isa& isa, Report& report);
void test_whole(const prunus::Isa& isa, Report& report);
void test_pooled(const prunus::Isa& isa, Report& report);
void test_winograd(const prunus::Isa& isa, Report& report);
void test_linear_layers(const prunus::Isa& isa, Report& report);
void test_pools(const prunus::Isa& isa, Report& report);
void test_maps(const prunus::Isa& isa, Report& report);
void test_rows(const prunus::Isa& isa, Report& report);
void test_bytes(const prunus::Isa& isa, Report& report);
void test_moved_bytes(const prunus::Isa& isa, Report& report);
void test_threads(const prunus::Isa& isa, Report& report);
