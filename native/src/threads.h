// A pool of threads that stays alive between operations. The caller is one of them. A process that was forked has no
// workers: there the caller does it all. A mutex that a forked process finds unlocked.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace prunus {

class Threads {
   public:
    explicit Threads(int count);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    int count() const { return static_cast<int>(shares_.size()); }

    // Calls work(i) for each i below `items`, on all threads, in no order; returns when all are done. Each thread begins
    // with a share of its own, the same one each time: what it wrote in one operation it reads in the next. What one of the
    // calls throws is thrown here; the calls that had not begun by then are left out.
    template <class Work>
    void run(int items, const Work& work) {
        run_all(items, [](const void* with, int item) { (*static_cast<const Work*>(with))(item); }, &work);
    }

   private:
    using Call = void (*)(const void*, int);
    void run_all(int items, Call call, const void* with);
    void take_items(int self);
    void call(int item);
    void stop();
    void serve(int self);
    bool wait_for_work(unsigned seen);
    bool lost() const;

    struct alignas(64) Share {
        std::atomic<int> next{0};
        int end = 0;
    };

    std::vector<Share> shares_;
    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::unique_ptr<std::condition_variable> wake_ = std::make_unique<std::condition_variable>();
    std::atomic<unsigned> round_{0};  // counts calls of run; workers wait for it to change
    std::atomic<int> busy_{0};
    bool stopping_ = false;
    const int forks_;  // of this process, when the workers were started
    Call call_ = nullptr;
    const void* with_ = nullptr;
    std::atomic<bool> failed_{false};
    std::exception_ptr failure_;  // of the call that failed first; written by the thread that set `failed_`
};

// A mutex, to be locked by std::lock_guard. The process that a fork makes has only the thread that forked: a mutex that
// another one held would never be unlocked there, so in that process all of them begin unlocked.
class ForkedMutex {
   public:
    ForkedMutex();
    ~ForkedMutex();
    ForkedMutex(const ForkedMutex&) = delete;
    ForkedMutex& operator=(const ForkedMutex&) = delete;

    void lock() { mutex_->lock(); }
    void unlock() { mutex_->unlock(); }
    void renew();

   private:
    std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
};

}  // namespace prunus
