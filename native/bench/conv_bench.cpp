// Times one convolution for every choice: conv_bench BATCH IN OUT SIZE KERNEL STRIDE SPARSITY THREADS
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "../src/conv.h"
using namespace prunus;
static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
int main(int argc, char** argv) {
    if (argc < 9) return 1;
    int batch = atoi(argv[1]), ci = atoi(argv[2]), co = atoi(argv[3]), size = atoi(argv[4]), k = atoi(argv[5]), s = atoi(argv[6]);
    double sparsity = atof(argv[7]); int threads = atoi(argv[8]); int verbose = argc > 9;
    const Isa& isa = choose_isa("");
    int pad = k / 2, o = (size + 2 * pad - k) / s + 1;
    int lanes = batch >= isa.width ? isa.width : 1, images = batch / lanes;
    auto view = [&](int c, int n, std::ptrdiff_t at) {
        View v{}; v.doubt = -1; v.images = images; v.channels = c; v.height = v.width = n; v.lanes = lanes; v.row = (std::ptrdiff_t)(n + pad) * lanes;
        v.plane = (v.row * (n + pad) + isa.width - 1) / isa.width * isa.width; v.image = v.plane * c; v.offset = at + ((v.row + lanes) * pad + 15) / 16 * 16; return v;
    };
    View in = view(ci, size, 0); View out = view(co, o, (in.image * images + in.offset + 4096)/16*16);
    std::size_t total = out.offset + out.image * images + 4096;
    float* mem = (float*)aligned_alloc(4096, (total * 4 + 4095) / 4096 * 4096);
    std::fill(mem, mem + total, 0.0f);
    std::mt19937 rng(1); std::normal_distribution<float> d; std::uniform_real_distribution<float> u(0, 1);
    for (std::ptrdiff_t i = 0; i < in.image * images; ++i) mem[in.offset + i] = d(rng);
    std::vector<float> w((size_t)co * ci * k * k), b(co);
    for (float& x : w) x = u(rng) < sparsity ? 0 : d(rng);
    float* bases[] = {mem};
    Threads pool(threads);
    double flop = 2.0 * batch * co * o * o * ci * k * k;
    struct R { double ms; ConvChoice c; }; std::vector<R> all;
    for (int K : group_sizes) for (int r = 1; r <= 4; ++r) for (int c = 1; c <= 14; ++c) for (int blk : {16, 32, 64, 128, 256, 4096}) {
        if (!isa.tile(K, r, c, lanes == 1 ? 1 : s) || (K == 1 && r * c < 4 && o > 2) || (blk > 2 * ci && blk != 4096)) continue;
        if (K != 1 && (sparsity > 0.3 || verbose)) continue;
        if (K == 1 && sparsity < 0.2 && !verbose) continue;
        if (lanes > 1 && c > o) continue;
        ConvShape shape{k, k, s, s, pad, pad, 1, 1, 1};
        ConvChoice ch{K, r, c, blk};
        Conv conv(isa, shape, in, out, nullptr, w.data(), b.data(), Activation{}, ch, threads);
        double best = 1e9; conv.run(bases, pool);
        double until = now() + 0.02; int n = 0;
        while (n < 3 || (now() < until)) { double t = now(); conv.run(bases, pool); best = std::min(best, now() - t); ++n; }
        all.push_back({best * 1e3, ch});
    }
    std::sort(all.begin(), all.end(), [](const R& a, const R& b) { return a.ms < b.ms; });
    printf("b%d %d->%d %dx%d k%d s%d sp%.2f t%d %s:", batch, ci, co, size, size, k, s, sparsity, threads, isa.name);
    for (size_t i = 0; i < all.size() && i < 4; ++i) printf("  [%.3f ms %.0f useful GF, K%d %dx%d b%d]", all[i].ms, flop * (1 - sparsity) / all[i].ms / 1e6, all[i].c.group, all[i].c.rows, all[i].c.columns, all[i].c.block);
    printf("\n");
}
