#include "threads.h"

namespace prunus {
namespace {

// Workers look for work for about 50 microseconds before they sleep: longer than the way from one operation to the next.
constexpr int spins = 2000;

void pause_a_little() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

Threads::Threads(int count) {
    for (int i = 1; i < count; ++i) workers_.emplace_back([this] { serve(); });
}

Threads::~Threads() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        ++round_;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void Threads::run_all(int items, Call call, const void* with) {
    if (workers_.empty() || items <= 1) {
        for (int i = 0; i < items; ++i) call(with, i);
        return;
    }
    items_ = items, call_ = call, with_ = with;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    take_items();
    while (busy_.load(std::memory_order_acquire) != 0) pause_a_little();
}

void Threads::take_items() {
    for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < items_;) call_(with_, i);
}

bool Threads::wait_for_work(unsigned seen) {
    for (int i = 0; i < spins; ++i) {
        if (round_.load(std::memory_order_acquire) != seen) return !stopping_;
        pause_a_little();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != seen; });
    return !stopping_;
}

void Threads::serve() {
    for (unsigned seen = 0; wait_for_work(seen); ++seen) {
        take_items();
        busy_.fetch_sub(1, std::memory_order_release);
    }
}

}  // namespace prunus
