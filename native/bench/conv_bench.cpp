// Times one convolution on several kernels in turn, and prints the least time of each, the fastest first:
//     conv_bench BATCH IN OUT SIZE KERNEL STRIDE SPARSITY THREADS [GROUP,ROWS,COLUMNS,BLOCK[,w] ...]
// GROUP: 1 for the sparse form, 2 for that of two channels, 3 for that of whole images, 4 and 6 for dense ones, 0 for
// channels as lanes; w: Winograd's. Without choices: those that are likely.
// Build: g++ -O2 -std=c++17 native/bench/conv_bench.cpp build/*/libengine.a -lpthread
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <sys/mman.h>

#include "../src/winograd.h"
using namespace prunus;

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Candidate {
    ConvChoice choice;
    bool winograd;
    std::unique_ptr<Step> conv;
    double best = 1e9;
};

static View view(int images, int lanes, int channels, int size, int pad, std::ptrdiff_t after) {
    View view{};
    view.doubt = -1, view.images = images, view.channels = channels, view.height = view.width = size, view.lanes = lanes;
    view.row = static_cast<std::ptrdiff_t>(size + pad) * lanes;
    view.plane = (view.row * (size + pad) + 15) / 16 * 16;
    if (view.plane >= 256 && view.plane % 32 == 0) view.plane += 16;
    if (const char* lines = std::getenv("LINES_APART")) view.plane += 16 * std::atoi(lines);
    view.image = view.plane * channels;
    view.offset = after + ((view.row + lanes) * pad + 15) / 16 * 16;
    return view;
}

int main(int argc, char** argv) {
    if (argc < 9) return std::puts("conv_bench BATCH IN OUT SIZE KERNEL STRIDE SPARSITY THREADS [GROUP,ROWS,COLUMNS,BLOCK ...]"), 1;
    const int batch = std::atoi(argv[1]), ins = std::atoi(argv[2]), outs = std::atoi(argv[3]), size = std::atoi(argv[4]);
    const int kernel = std::atoi(argv[5]), stride = std::atoi(argv[6]), threads = std::atoi(argv[8]), pad = kernel / 2;
    const double sparsity = std::atof(argv[7]);
    const Isa& isa = choose_isa("");
    const int out_size = (size + 2 * pad - kernel) / stride + 1, lanes = batch >= isa.width ? isa.width : 1, images = batch / lanes;
    const View in = view(images, lanes, ins, size, pad, 0), out = view(images, lanes, outs, out_size, pad, in.offset + in.image * images + 4096);
    constexpr std::size_t page = 2 * 1024 * 1024;  // as the engine's memory: aligned, in huge pages
    const std::size_t bytes = static_cast<std::size_t>(out.offset + out.image * images + 4096) * sizeof(float);
    float* const memory = static_cast<float*>(std::aligned_alloc(page, (bytes + page - 1) / page * page));
    madvise(memory, bytes, MADV_HUGEPAGE);
    std::fill_n(memory, bytes / sizeof(float), 0.0f);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<double> uniform(0, 1);
    for (std::ptrdiff_t i = 0; i < in.image * images; ++i) memory[in.offset + i] = normal(random);
    std::vector<float> weights(static_cast<std::size_t>(outs) * ins * kernel * kernel), bias(outs);
    for (float& weight : weights) weight = uniform(random) < sparsity ? 0 : normal(random);

    std::vector<std::pair<ConvChoice, bool>> choices;
    for (int i = 9; i < argc; ++i) {
        ConvChoice one{};
        char with = 0;
        if (std::sscanf(argv[i], "%d,%d,%d,%d,%c", &one.group, &one.rows, &one.columns, &one.block, &with) >= 4) choices.push_back({one, with == 'w'});
    }
    if (choices.empty())
        for (const int group : group_sizes)
            for (const auto& [rows, columns] : {std::pair{2, 4}, {1, 8}, {1, 7}, {4, 4}, {3, 8}, {1, 4}, {1, 3}, {1, 2}})
                for (const int block : {16, 32, 64, 4096}) choices.push_back({{group, rows, columns, block}, false});
    const ConvShape shape{kernel, kernel, stride, stride, pad, pad, 1, 1, 1};
    std::vector<Candidate> all;
    for (const auto& [choice, winograd] : choices) {
        if (winograd) {
            all.push_back({choice, true, std::make_unique<Winograd>(isa, shape, in, out, nullptr, weights.data(), bias.data(), Activation{}, choice, threads)});
            continue;
        }
        const bool possible = isa.tile(choice.group, choice.rows, choice.columns, stride) && (choice.group != across || lanes == 1);
        const bool image = kernel == 3 && stride == 1 && size == choice.rows && lanes > 1;
        if (!possible || (choice.group == whole && !image) || (lanes == 1 && stride > 1 && choice.group != across)) continue;
        all.push_back({choice, false, std::make_unique<Conv>(isa, shape, in, out, nullptr, weights.data(), bias.data(), Activation{}, choice, threads)});
    }
    float* const bases[] = {memory};
    Threads pool(threads);
    for (const double end = now() + 0.1 * static_cast<double>(all.size()); now() < end;)
        for (Candidate& one : all) {
            one.conv->run(bases, pool);
            const double start = now();
            one.conv->run(bases, pool);
            one.best = std::min(one.best, now() - start);
        }
    std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) { return a.best < b.best; });
    const double useful = 2.0 * batch * outs * out_size * out_size * ins * kernel * kernel * (1 - sparsity);
    for (const Candidate& one : all)
        std::printf("%d,%d,%d,%d%s: %.3f ms, %.1f useful GFLOP/s\n", one.choice.group, one.choice.rows, one.choice.columns, one.choice.block, one.winograd ? ",w" : "",
                    one.best * 1e3, useful / one.best / 1e9);
}
