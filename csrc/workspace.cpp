#include "workspace.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace unrolled {
namespace {

constexpr std::size_t huge_page = std::size_t{1} << 21;

std::atomic<bool> poisoned{false};

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
        size_ = 0;
        const std::size_t alignment = bytes >= huge_page ? huge_page : 64;
        const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
        data_ = std::aligned_alloc(alignment, whole);
        if (data_ == nullptr) throw std::bad_alloc();
        size_ = whole;
#if defined(__linux__)
        if (alignment == huge_page) madvise(data_, whole, MADV_HUGEPAGE);
#endif
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace

void* workspace(Slot slot, std::size_t bytes) {
    thread_local Arena arenas[2];
    return arenas[static_cast<int>(slot)].at_least(bytes);
}

void poison_workspaces(bool on) { poisoned = on; }

}  // namespace unrolled
