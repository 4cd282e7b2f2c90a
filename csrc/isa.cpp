#include "isa.h"

#include <atomic>
#include <cstring>

namespace unrolled {

#define UNROLLED_DECLARE(name) \
    namespace name {           \
    extern const Kernels kernels; \
    }

namespace {
bool always() { return true; }
}  // namespace

#if UNROLLED_HAS_AVX512
UNROLLED_DECLARE(avx512)
namespace {
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
}  // namespace
#endif
#if UNROLLED_HAS_AVX512BF16
UNROLLED_DECLARE(avx512bf16)
namespace {
bool has_avx512bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
}  // namespace
#endif
#if UNROLLED_HAS_AVX2
UNROLLED_DECLARE(avx2)
namespace {
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"); }
}  // namespace
#endif
#if UNROLLED_HAS_NEON
UNROLLED_DECLARE(neon)
#endif
#if UNROLLED_HAS_BASELINE
UNROLLED_DECLARE(baseline)
#endif

const Isa isas[] = {
#if UNROLLED_HAS_AVX512BF16
    {"avx512bf16", &avx512bf16::kernels, has_avx512bf16},
#endif
#if UNROLLED_HAS_AVX512
    {"avx512", &avx512::kernels, has_avx512},
#endif
#if UNROLLED_HAS_AVX2
    {"avx2", &avx2::kernels, has_avx2},
#endif
#if UNROLLED_HAS_NEON
    {"neon", &neon::kernels, always},
#endif
#if UNROLLED_HAS_BASELINE
    {"baseline", &baseline::kernels, always},
#endif
    {nullptr, nullptr, always},
};

namespace {

std::atomic<const Isa*>& current() {
    static std::atomic<const Isa*> chosen{[] {
        const Isa* isa = isas;
        while (!isa->supported()) ++isa;
        return isa;
    }()};
    return chosen;
}

}  // namespace

bool choose_isa(const char* name) {
    for (const Isa* isa = isas; isa->name != nullptr; ++isa)
        if (std::strcmp(isa->name, name) == 0 && isa->supported()) {
            current() = isa;
            return true;
        }
    return false;
}

const Isa& chosen_isa() { return *current(); }

}  // namespace unrolled
