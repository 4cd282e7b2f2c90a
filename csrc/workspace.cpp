#include "workspace.h"

#include <atomic>
#include <cstdlib>
#include <cstddef>
#include <cstring>
#include <list>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace unrolled {
namespace {

constexpr std::size_t huge_page = std::size_t{1} << 21;

std::atomic<bool> poisoned{false};

struct Memory {
    void* data;
    std::size_t size;
};

bool free_kept_memory();

Memory allocate(std::size_t bytes) {
    const std::size_t alignment = bytes >= huge_page ? huge_page : 64;
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void* data = std::aligned_alloc(alignment, whole);
    if (data == nullptr && free_kept_memory()) data = std::aligned_alloc(alignment, whole);
    if (data == nullptr) throw std::bad_alloc();
#if defined(__linux__)
    if (alignment == huge_page) madvise(data, whole, MADV_HUGEPAGE);
#endif
    return {data, whole};
}

class Arena {
  public:
    ~Arena() { std::free(data_); }

    void* at_least(std::size_t bytes) {
        if (bytes > size_) grow(bytes);
        if (poisoned) std::memset(data_, 0xFF, size_);
        return data_;
    }

  private:
    void grow(std::size_t bytes) {
        std::free(data_);
        data_ = nullptr;
        size_ = 0;
        const Memory memory = allocate(bytes);
        data_ = memory.data;
        size_ = memory.size;
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

// Memory that is lent and comes back. The one that came back last is the likeliest to be in a cache. Lists, so that giving
// back needs no memory.
class Lender {
  public:
    void* lend(std::size_t bytes) {
        if (void* kept = lend_kept(bytes)) return kept;
        std::list<Memory> fresh(1);
        fresh.front() = allocate(bytes);  // without the lock: it may ask for kept memory to be freed
        const std::lock_guard<std::mutex> lock(mutex_);
        lent_.splice(lent_.end(), fresh);
        return lent_.back().data;
    }

    void give_back(void* data) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (auto memory = lent_.begin(); memory != lent_.end(); ++memory)
            if (memory->data == data) {
                kept_bytes_ += memory->size;
                kept_.splice(kept_.end(), lent_, memory);
                break;
            }
        free_kept_above(most_kept);
    }

    // Whether there was any.
    bool free_kept() noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        const bool any = !kept_.empty();
        free_kept_above(0);
        return any;
    }

  private:
    static constexpr std::size_t most_kept = std::size_t{1} << 29;

    void* lend_kept(std::size_t bytes) {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (auto memory = kept_.end(); memory != kept_.begin();) {
            --memory;
            if (memory->size < bytes || memory->size / 2 > bytes) continue;
            kept_bytes_ -= memory->size;
            lent_.splice(lent_.end(), kept_, memory);
            return memory->data;
        }
        return nullptr;
    }

    void free_kept_above(std::size_t bytes) noexcept {
        while (kept_bytes_ > bytes) {
            std::free(kept_.front().data);
            kept_bytes_ -= kept_.front().size;
            kept_.pop_front();
        }
    }

    std::mutex mutex_;
    std::list<Memory> lent_, kept_;  // the one kept longest comes first
    std::size_t kept_bytes_ = 0;
};

// Never destroyed: tensors may give memory back while the process ends.
Lender& lender() {
    static Lender* const only = new Lender;
    return *only;
}

bool free_kept_memory() { return lender().free_kept(); }

}  // namespace

void* lend(std::size_t bytes) { return lender().lend(bytes); }

void give_back(void* memory) noexcept { lender().give_back(memory); }

void* workspace(Slot slot, std::size_t bytes) {
    thread_local Arena arenas[2];
    return arenas[static_cast<int>(slot)].at_least(bytes);
}

void poison_workspaces(bool on) { poisoned = on; }

}  // namespace unrolled
