// A pool of threads that stays alive between operations. The caller is one of them.
#pragma once

#include <atomic>
#include <condition_variable>
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

    int count() const { return static_cast<int>(workers_.size()) + 1; }

    // Calls work(i) for each i below `items`, on all threads, in no order; returns when all are done.
    template <class Work>
    void run(int items, const Work& work) {
        run_all(items, [](const void* with, int item) { (*static_cast<const Work*>(with))(item); }, &work);
    }

   private:
    using Call = void (*)(const void*, int);
    void run_all(int items, Call call, const void* with);
    void take_items();
    void serve();
    bool wait_for_work(unsigned seen);

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<unsigned> round_{0};  // counts calls of run; workers wait for it to change
    std::atomic<int> next_{0}, busy_{0};
    bool stopping_ = false;
    int items_ = 0;
    Call call_ = nullptr;
    const void* with_ = nullptr;
};

}  // namespace prunus
