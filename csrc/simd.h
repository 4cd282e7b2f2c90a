// Vectors of the widest kind that this build's instruction set has, with whole and partial loads and stores.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>

#include "arguments.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unrolled::UNROLLED_ISA {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
constexpr int registers = 32;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
constexpr int registers = 16;
#elif defined(__aarch64__)
constexpr int vector_bytes = 16;
constexpr int registers = 32;
#else
constexpr int vector_bytes = 16;
constexpr int registers = 16;
#endif

#define UNROLLED_INLINE [[gnu::always_inline]] inline
// Before a loop over a tile: its accumulators are registers only once it is unrolled.
#define UNROLLED_UNROLL _Pragma("GCC unroll 16")

template <class T>
struct Vector;

template <>
struct Vector<float> {
    typedef float type __attribute__((vector_size(vector_bytes)));
    typedef float loose __attribute__((vector_size(vector_bytes), aligned(4), may_alias));
    typedef std::int32_t integers __attribute__((vector_size(vector_bytes)));
};

template <>
struct Vector<double> {
    typedef double type __attribute__((vector_size(vector_bytes)));
    typedef double loose __attribute__((vector_size(vector_bytes), aligned(8), may_alias));
    typedef std::int64_t integers __attribute__((vector_size(vector_bytes)));
};

template <class T>
using vec = typename Vector<T>::type;

template <class T>
constexpr idx lanes = vector_bytes / static_cast<idx>(sizeof(T));

constexpr idx round_up(idx count, idx unit) { return (count + unit - 1) / unit * unit; }

template <class T>
UNROLLED_INLINE vec<T> load(const T* from) {
    return *reinterpret_cast<const typename Vector<T>::loose*>(from);
}

template <class T>
UNROLLED_INLINE void store(T* to, vec<T> value) {
    *reinterpret_cast<typename Vector<T>::loose*>(to) = value;
}

template <class T>
UNROLLED_INLINE vec<T> spread(T value) {
    return value - vec<T>{};  // not +, which would turn −0 into 0 and so cost an addition
}

// The first `count` lanes, at least one, as the masks of AVX2 have them: all bits of these, none of the others.
template <class T>
UNROLLED_INLINE typename Vector<T>::integers first_lanes(idx count) {
    typename Vector<T>::integers place{};
    UNROLLED_UNROLL
    for (int k = 0; k < lanes<T>; ++k) place[k] = k;
    return place < static_cast<decltype(+place[0])>(count);
}

// The first `count` lanes alone, at least one; the others are 0, and their memory is not touched. Without branches: compilers
// contract a multiplication and an addition only where there is none between, and results would depend on a row's place.
template <class T>
UNROLLED_INLINE vec<T> load_some(const T* from, idx count) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
    else return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
#elif defined(__AVX2__)
    const auto there = reinterpret_cast<__m256i>(first_lanes<T>(count));
    if constexpr (sizeof(T) == 4) return _mm256_maskload_ps(from, there);
    else return _mm256_maskload_pd(from, there);
#else
    vec<T> value{};
    UNROLLED_UNROLL
    for (int k = 0; k < lanes<T>; ++k) value[k] = from[k < count ? k : 0];
    return first_lanes<T>(count) ? value : vec<T>{};
#endif
}

template <class T>
UNROLLED_INLINE void store_some(T* to, vec<T> value, idx count) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), value);
    else _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), value);
#elif defined(__AVX2__)
    const auto there = reinterpret_cast<__m256i>(first_lanes<T>(count));
    if constexpr (sizeof(T) == 4) _mm256_maskstore_ps(to, there, value);
    else _mm256_maskstore_pd(to, there, value);
#else
    for (idx k = 0; k < count; ++k) to[k] = value[k];
#endif
}

// Where a vector lies: all its lanes, or only the first few of the row's last one.
template <class T, bool Whole>
struct Lanes {
    idx count;
    UNROLLED_INLINE vec<T> load(const T* from) const {
        if constexpr (Whole) return UNROLLED_ISA::load(from);
        else return load_some(from, count);
    }
    UNROLLED_INLINE void store(T* to, vec<T> value) const {
        if constexpr (Whole) UNROLLED_ISA::store(to, value);
        else store_some(to, value, count);
    }
};

// Call `body(first unit, lanes)` for each vector of `units` units.
template <class T, class Body>
UNROLLED_INLINE void for_vectors(idx units, Body&& body) {
    idx j = 0;
    for (; j + lanes<T> <= units; j += lanes<T>) body(j, Lanes<T, true>{lanes<T>});
    if (j < units) body(j, Lanes<T, false>{units - j});
}

template <class T>
UNROLLED_INLINE void copy_row(T* to, const T* from, idx count) {
    for_vectors<T>(count, [&](idx j, auto part) { part.store(to + j, part.load(from + j)); });
}

template <class T>
UNROLLED_INLINE void clear_row(T* to, idx count) {
    for_vectors<T>(count, [&](idx j, auto part) { part.store(to + j, vec<T>{}); });
}

// Round each number to the nearest bfloat16, ties to even; NaN stays NaN.
UNROLLED_INLINE vec<float> to_bf16(vec<float> x) {
    using integers = Vector<float>::integers;
    const integers bits = reinterpret_cast<integers>(x);
    const integers rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & static_cast<int>(0xFFFF0000u);
    return x == x ? reinterpret_cast<vec<float>>(rounded) : x;
}

// Copy numbers, rounded to bfloat16; `to` may be `from`. Doubles are never asked for it.
template <class T>
void copy_rounded(T* to, const T* from, idx count) {
    if constexpr (sizeof(T) == 4)
        for_vectors<T>(count, [&](idx j, auto part) { part.store(to + j, to_bf16(part.load(from + j))); });
}

#if defined(__clang__)
#define UNROLLED_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define UNROLLED_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, integers{__VA_ARGS__})
#endif

// Transpose a square of vectors: each round swaps, in every square of twice `apart`, what lies across its diagonal.
template <class T, int apart, std::size_t... lane>
UNROLLED_INLINE void swap_across(vec<T> (&square)[lanes<T>], std::index_sequence<lane...>) {
    using integers [[maybe_unused]] = typename Vector<T>::integers;
    constexpr int size = static_cast<int>(lanes<T>);
    UNROLLED_UNROLL
    for (int k = 0; k < size; ++k)
        if ((k & apart) == 0) {
            const vec<T> upper = square[k], lower = square[k + apart];
            square[k] = UNROLLED_SHUFFLE(upper, lower, (lane & apart ? size + lane - apart : lane)...);
            square[k + apart] = UNROLLED_SHUFFLE(upper, lower, (lane & apart ? size + lane : lane + apart)...);
        }
}

template <class T, int apart = 1>
UNROLLED_INLINE void transpose(vec<T> (&square)[lanes<T>]) {
    if constexpr (apart < lanes<T>) {
        swap_across<T, apart>(square, std::make_index_sequence<lanes<T>>{});
        transpose<T, apart * 2>(square);
    }
}

}  // namespace unrolled::UNROLLED_ISA
