#include "engine.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <mutex>
#include <stdexcept>

#include "pages.h"

namespace prunus {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Seconds that this thread has computed. What other processes take of the machine does not count, and the wait for workers
// does: it is active.
double computed() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    std::timespec time;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0) return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
#endif
    return now();
}

int checked(int threads) {
    if (threads < 1 || threads > 1024) throw std::invalid_argument("the number of threads must be from 1 to 1024");
    return threads;
}

}  // namespace

void Engine::Free::operator()(float* memory) const { std::free(memory); }

Engine::Engine(const std::string& isa, int threads) : isa_(choose_isa(isa)), threads_(checked(threads)) {}

void Engine::allocate(std::ptrdiff_t floats) {
    // A tile reads from as many pages as there are channels in a block, more than the processor's table of small pages holds.
    const std::size_t bytes = std::max<std::size_t>(static_cast<std::size_t>(floats) * sizeof(float), 1);
    void* memory = allocate_pages(bytes);
    std::memset(memory, 0, bytes);
    memory_.reset(static_cast<float*>(memory));
    size_ = floats;
}

void Engine::run(const std::vector<float*>& outer, std::vector<double>* seconds) {
    const std::lock_guard<ForkedMutex> lock(running_);
    std::vector<float*> bases{memory_.get()};
    bases.insert(bases.end(), outer.begin(), outer.end());
    for (const auto& step : steps_) {
        const double start = seconds ? now() : 0;
        step->run(bases.data(), threads_);
        if (seconds) seconds->push_back(now() - start);
    }
}

double Engine::time(const Step& step, double seconds, double limit) {
    const std::lock_guard<ForkedMutex> lock(running_);
    float* const bases[] = {memory_.get()};
    double best = std::numeric_limits<double>::infinity();
    const double end = computed() + seconds;
    int runs = 0;
    do {
        const double start = computed();
        step.run(bases, threads_);
        best = std::min(best, computed() - start);
    } while (++runs < 2 || (best < limit && (runs < 4 || computed() < end)));
    return best;
}

}  // namespace prunus
