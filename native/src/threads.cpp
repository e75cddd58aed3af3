#include "threads.h"

#include "step.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <cstdint>
#include <unordered_set>
#include <utility>

namespace prunus {
namespace {

std::atomic<int> forks{0};

// All that there are; nobody changes the set while a process forks. Never destroyed: engines may be gone after it.
struct Mutexes {
    std::mutex changing;
    std::unordered_set<ForkedMutex*> all;
};
Mutexes& mutexes() {
    static Mutexes* const made = new Mutexes;
    return *made;
}

void forked() {
    ++forks;
    for (ForkedMutex* const mutex : mutexes().all) mutex->renew();
    mutexes().changing.unlock();
}

// How often this process was forked from one that had threads of ours.
int count_forks() {
#if defined(__unix__) || defined(__APPLE__)
    static const int counts = pthread_atfork([] { mutexes().changing.lock(); }, [] { mutexes().changing.unlock(); }, forked);
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

ForkedMutex::ForkedMutex() {
    count_forks();  // from now on
    const std::lock_guard<std::mutex> lock(mutexes().changing);
    mutexes().all.insert(this);
}

ForkedMutex::~ForkedMutex() {
    const std::lock_guard<std::mutex> lock(mutexes().changing);
    mutexes().all.erase(this);
}

void ForkedMutex::renew() {
    mutex_.release();  // one that is locked may not be destroyed
    mutex_ = std::make_unique<std::mutex>();
}

Threads::Threads(int count) : shares_(static_cast<std::size_t>(count)), forks_(count_forks()) {
    workers_.reserve(static_cast<std::size_t>(count - 1));
    try {
        for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { serve(i); });
    } catch (...) {  // the system gives no more threads; those that it gave must be joined
        stop();
        throw;
    }
}

bool Threads::lost() const { return forks_ != forks.load(std::memory_order_relaxed); }

Threads::~Threads() {
    if (lost()) {  // there is nobody to join, and nobody who would stop waiting
        new std::vector<std::thread>(std::move(workers_));
        wake_.release();
        return;
    }
    stop();
}

void Threads::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
        ++round_;
    }
    wake_->notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void Threads::run_all(int items, Call call, const void* with) {
    // A forked child has no workers: threads are not forked. It does all of the work itself.
    if (workers_.empty() || items <= 1 || lost()) {
        for (int i = 0; i < items; ++i) call(with, i);
        return;
    }
    call_ = call, with_ = with;
    failed_.store(false, std::memory_order_relaxed), failure_ = nullptr;
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
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

// One's own share first, then what the others have left.
void Threads::take_items(int self) {
    for (int i = 0; i < count(); ++i) {
        Share& share = shares_[(self + i) % count()];
        // Relaxed is enough: items do not depend on each other, and `busy_` orders their results.
        for (int item; (item = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) call(item);
    }
}

// An exception that left a worker would end the process: memory may run out on any thread.
void Threads::call(int item) {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
        call_(with_, item);
    } catch (...) {
        if (!failed_.exchange(true)) failure_ = std::current_exception();
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
