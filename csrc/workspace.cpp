#include "workspace.h"

#include <atomic>
#include <cstdlib>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

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

Memory allocate(std::size_t bytes) {
    const std::size_t alignment = bytes >= huge_page ? huge_page : 64;
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void* data = std::aligned_alloc(alignment, whole);
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

// Memory that is lent and comes back. The one that came back last is the likeliest to be in a cache.
class Lender {
  public:
    void* lend(std::size_t bytes) {
        const std::lock_guard<std::mutex> lock(mutex_);
        lent_.push_back(take(bytes));
        return lent_.back().data;
    }

    void give_back(void* data) {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (std::size_t k = 0; k < lent_.size(); ++k)
            if (lent_[k].data == data) {
                kept_.push_back(lent_[k]);
                kept_bytes_ += lent_[k].size;
                lent_.erase(lent_.begin() + static_cast<std::ptrdiff_t>(k));
                break;
            }
        while (kept_bytes_ > most_kept) drop(0);
    }

  private:
    static constexpr std::size_t most_kept = std::size_t{1} << 29;

    Memory take(std::size_t bytes) {
        for (std::size_t k = kept_.size(); k-- > 0;)
            if (kept_[k].size >= bytes && kept_[k].size / 2 <= bytes) {
                const Memory memory = kept_[k];
                forget(k);
                return memory;
            }
        return allocate(bytes);
    }

    void drop(std::size_t k) {
        std::free(kept_[k].data);
        forget(k);
    }

    void forget(std::size_t k) {
        kept_bytes_ -= kept_[k].size;
        kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(k));
    }

    std::mutex mutex_;
    std::vector<Memory> lent_, kept_;  // the one kept longest comes first
    std::size_t kept_bytes_ = 0;
};

// Never destroyed: tensors may give memory back while the process ends.
Lender& lender() {
    static Lender* const only = new Lender;
    return *only;
}

}  // namespace

void* lend(std::size_t bytes) { return lender().lend(bytes); }

void give_back(void* memory) { lender().give_back(memory); }

void* workspace(Slot slot, std::size_t bytes) {
    thread_local Arena arenas[2];
    return arenas[static_cast<int>(slot)].at_least(bytes);
}

void poison_workspaces(bool on) { poisoned = on; }

}  // namespace unrolled
