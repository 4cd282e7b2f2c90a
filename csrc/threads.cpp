#include "threads.h"

#include <atomic>
#include <exception>

#if UNROLLED_CALLS_LIBGOMP
// What GCC makes of `#pragma omp parallel`. Clang makes calls of libomp's own of it, which would be a second pool of
// threads beside PyTorch's; but these two it can call.
extern "C" void GOMP_parallel(void (*body)(void*), void* context, unsigned threads, unsigned flags);
extern "C" int omp_get_thread_num();
#elif defined(_OPENMP)
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

// The tasks of one call, and whoever runs them.
class Team {
  public:
    Team(idx tasks, void (*task)(void*, int, idx), void* context) : tasks_(tasks), task_(task), context_(context) {}

    // Run tasks until there are none. What one throws may not leave the threads' own code: the first is kept, and ends
    // the work of all.
    void work(int thread) noexcept {
        const FlushSubnormals flush;
        try {
            for (idx k; (k = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) task_(context_, thread, k);
        } catch (...) {
            next_ = tasks_;
            if (!failed_.exchange(true)) error_ = std::current_exception();
        }
    }

    // On the calling thread, when all others are done.
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    const idx tasks_;
    void (*const task_)(void*, int, idx);
    void* const context_;
    std::atomic<idx> next_{0};
    std::atomic<bool> failed_{false};
    std::exception_ptr error_;
};

// Have up to `threads` threads work, and wait for them.
void run(Team& team, [[maybe_unused]] int threads) {
#if UNROLLED_CALLS_LIBGOMP
    const auto body = [](void* context) { static_cast<Team*>(context)->work(omp_get_thread_num()); };
    GOMP_parallel(body, &team, static_cast<unsigned>(threads), 0);
#elif defined(_OPENMP)
#pragma omp parallel num_threads(threads)
    team.work(omp_get_thread_num());
#else
    team.work(0);
#endif
}

}  // namespace

void parallel(int threads, idx tasks, void (*task)(void*, int, idx), void* context) {
    watch_forks();
    if (threads > tasks) threads = static_cast<int>(tasks);
    Team team(tasks, task, context);
    if (threads <= 1 || forked) team.work(0);
    else run(team, threads);
    team.rethrow();
}

}  // namespace unrolled
