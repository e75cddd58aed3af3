// Memory of many bytes in huge pages, where the system has them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace prunus {

constexpr std::size_t small_page = 4096, huge_page = 2 * 1024 * 1024;

// To be given back by std::free. Throws std::bad_alloc.
inline void* allocate_pages(std::size_t bytes) {
    const std::size_t huge = (bytes + huge_page / 4) / huge_page * huge_page;  // of the last one a quarter may be idle
    const std::size_t page = huge ? huge_page : small_page, whole = (bytes + small_page - 1) / small_page * small_page;
    void* const memory = std::aligned_alloc(page, whole > huge ? whole : huge);
    if (!memory) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (huge) madvise(memory, huge, MADV_HUGEPAGE);
#endif
    return memory;
}

template <class T>
struct Pages {
    using value_type = T;
    Pages() = default;
    template <class U>
    Pages(const Pages<U>&) {}
    T* allocate(std::size_t count) { return static_cast<T*>(allocate_pages(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t) { std::free(memory); }
    bool operator==(const Pages&) const { return true; }
    bool operator!=(const Pages&) const { return false; }
};

// What is read from its beginning to its end at every run.
template <class T>
using Stream = std::vector<T, Pages<T>>;

}  // namespace prunus
