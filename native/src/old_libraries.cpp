// So that a wheel loads where glibc is as old as manylinux_2_28 has it (2.28), although a newer one was there when it was
// built. libstdc++ is linked statically into wheels; what it asks of a newer glibc is answered here. Wheels alone are built
// with this file.
#include <pthread.h>

#if defined(__aarch64__)
#define PRUNUS_FIRST_GLIBC "GLIBC_2.17"
#else
#define PRUNUS_FIRST_GLIBC "GLIBC_2.2.5"
#endif
#define PRUNUS_HIDDEN __attribute__((visibility("hidden")))

// The functions of threads moved from libpthread into libc with 2.34, and are there under both versions.
#define PRUNUS_FIRST(function) __asm__(".symver first_" #function ", " #function "@" PRUNUS_FIRST_GLIBC)
PRUNUS_FIRST(pthread_create);
PRUNUS_FIRST(pthread_join);
PRUNUS_FIRST(pthread_once);
PRUNUS_FIRST(__pthread_key_create);

extern "C" {
// 2.32: whether counters may be changed without atomic instructions. Never.
PRUNUS_HIDDEN char __libc_single_threaded = 0;

int first_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
int first_pthread_join(pthread_t, void**);
int first_pthread_once(pthread_once_t*, void (*)());
int first___pthread_key_create(pthread_key_t*, void (*)(void*));

PRUNUS_HIDDEN int pthread_create(pthread_t* thread, const pthread_attr_t* with, void* (*call)(void*), void* argument) {
    return first_pthread_create(thread, with, call, argument);
}
PRUNUS_HIDDEN int pthread_join(pthread_t thread, void** result) { return first_pthread_join(thread, result); }
PRUNUS_HIDDEN int pthread_once(pthread_once_t* once, void (*call)()) { return first_pthread_once(once, call); }
PRUNUS_HIDDEN int __pthread_key_create(pthread_key_t* key, void (*destroy)(void*)) {
    return first___pthread_key_create(key, destroy);
}
}
