#include "threads.h"

#include "step.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <cstdint>
#include <utility>

namespace prunus {
namespace {

std::atomic<int> forks{0};

// How often this process was forked from one that had threads of ours.
int count_forks() {
#if defined(__unix__) || defined(__APPLE__)
    static const int counts = pthread_atfork(nullptr, nullptr, [] { ++forks; });
    (void)counts;
#endif
    return forks;
}

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

Threads::Threads(int count) : shares_(static_cast<std::size_t>(count)), forks_(count_forks()) {
    for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { serve(i); });
}

bool Threads::lost() const { return forks_ != forks.load(std::memory_order_relaxed); }

Threads::~Threads() {
    if (lost()) {  // there is nobody to join, and nobody who would stop waiting
        new std::vector<std::thread>(std::move(workers_));
        wake_.release();
        return;
    }
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        ++round_;
    }
    wake_->notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void Threads::run_all(int items, Call call, const void* with) {
    if (workers_.empty() || items <= 1 || lost()) {
        for (int i = 0; i < items; ++i) call(with, i);
        return;
    }
    call_ = call, with_ = with;
    for (int i = 0; i < count(); ++i) {
        shares_[i].next.store(static_cast<int>(static_cast<std::int64_t>(items) * i / count()), std::memory_order_relaxed);
        shares_[i].end = static_cast<int>(static_cast<std::int64_t>(items) * (i + 1) / count());
    }
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        round_.fetch_add(1, std::memory_order_release);
    }
    wake_->notify_all();
    take_items(0);
    while (busy_.load(std::memory_order_acquire) != 0) pause_a_little();
}

// One's own share first, then what the others have left.
void Threads::take_items(int self) {
    for (int i = 0; i < count(); ++i) {
        Share& share = shares_[(self + i) % count()];
        for (int item; (item = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) call_(with_, item);
    }
}

bool Threads::wait_for_work(unsigned seen) {
    for (int i = 0; i < spins; ++i) {
        if (round_.load(std::memory_order_acquire) != seen) return !stopping_;
        pause_a_little();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    wake_->wait(lock, [&] { return round_.load(std::memory_order_acquire) != seen; });
    return !stopping_;
}

void Threads::serve(int self) {
    for (unsigned seen = 0; wait_for_work(seen); ++seen) {
        take_items(self);
        busy_.fetch_sub(1, std::memory_order_release);
    }
}

float* scratch_memory(std::ptrdiff_t floats) {
    static thread_local std::vector<float> memory;
    constexpr std::ptrdiff_t line = 16;
    if (static_cast<std::ptrdiff_t>(memory.size()) < floats + line) memory.resize(static_cast<std::size_t>(floats + line));
    return memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64 / sizeof(float);
}

}  // namespace prunus
