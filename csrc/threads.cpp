#include "threads.h"

#include <atomic>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace unrolled {
namespace {

// Flushes subnormal numbers to zero as long as it lives.
class FlushSubnormals {
  public:
#if defined(__SSE__)
    FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~FlushSubnormals() { _mm_setcsr(before_); }

  private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushSubnormals() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" ::"r"(before_ | (1ull << 24)));
    }
    ~FlushSubnormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }

  private:
    unsigned long long before_;
#else
    FlushSubnormals() {}
    ~FlushSubnormals() {}
#endif
};

// A forked child has none of its parent's threads, and OpenMP would wait for them for ever.
std::atomic<bool> forked{false};

void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
    static const int watching = pthread_atfork(nullptr, nullptr, [] { forked = true; });
    (void)watching;
#endif
}

}  // namespace

void parallel(int threads, idx tasks, void (*task)(void*, int, idx), void* context) {
    watch_forks();
    if (threads > tasks) threads = static_cast<int>(tasks);
    if (threads <= 1 || forked) {
        FlushSubnormals flush;
        for (idx k = 0; k < tasks; ++k) task(context, 0, k);
        return;
    }
#if defined(_OPENMP)
    std::atomic<idx> next{0};
#pragma omp parallel num_threads(threads)
    {
        FlushSubnormals flush;
        for (idx k; (k = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(context, omp_get_thread_num(), k);
    }
#else
    FlushSubnormals flush;
    for (idx k = 0; k < tasks; ++k) task(context, 0, k);
#endif
}

}  // namespace unrolled
