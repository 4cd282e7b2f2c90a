// sigmoid and tanh of several vectors at once.
//
// exp(x) = 2^n · exp(r) with n = round(x / ln 2) and |r| ≤ ln(2) / 2, and exp(r) − 1 = r + r²·s(r), s a polynomial.
// tanh(x) = e / (e + 2) with e = exp(2x) − 1 = 2^n·(exp(r) − 1) + (2^n − 1), which is as exact near 0 as anywhere.
// All vectors take each step together: one alone would wait for the step before it nearly all the time.
#pragma once

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
    static constexpr float range = 87.0f;       // exp is a normal number within
    static constexpr float saturated = 9.25f;   // tanh is ±1 beyond
    static constexpr float log2_e = 1.44269504088896341f;
#if defined(__FMA__) || defined(__aarch64__)
    static constexpr float ln2 = 0.693147180559945309f, ln2_rest = 0.0f;
#else  // n·ln2 is rounded: the part that n multiplies first has few enough bits for that not to matter
    static constexpr float ln2 = 0.693359375f, ln2_rest = -2.12194440e-4f;
#endif
    static constexpr float shifter = 12582912.0f;  // 1.5·2^23: adding it leaves a rounded integer in the low bits
    static constexpr int mantissa = 23;
    // s(r), the highest power first: fitted to exp(r) − 1 with a relative error below 1.4e-8
    static constexpr float series[] = {1.388441888e-03f, 8.366589434e-03f, 4.166717082e-02f, 1.666654348e-01f,
                                       4.999999702e-01f};
};

template <>
struct ExpConstants<double> {
    static constexpr double range = 708.0, saturated = 20.0;
    static constexpr double log2_e = 1.44269504088896340736;
    static constexpr double ln2 = 6.93145751953125e-1, ln2_rest = 1.42860682030941723212e-6;
    static constexpr double shifter = 6755399441055744.0;  // 1.5·2^52
    static constexpr int mantissa = 52;
    // 1/14! … 1/2!: the rest of the series is below 2^-53 for |r| ≤ ln(2) / 2
    static constexpr double series[] = {1.0 / 87178291200, 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800,
                                        1.0 / 3628800,     1.0 / 362880,     1.0 / 40320,     1.0 / 5040,
                                        1.0 / 720,         1.0 / 120,        1.0 / 24,        1.0 / 6,
                                        1.0 / 2};
};

// Keep x within [−bound, bound]; NaN stays NaN.
template <class T>
UNROLLED_INLINE vec<T> clamp(vec<T> x, T bound) {
#if defined(__AVX512F__)
    // These return their second operand where either is NaN. `maskz` with all lanes: GCC 12 warns of the plain ones.
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_min_ps(0xFFFF, spread(bound), _mm512_maskz_max_ps(0xFFFF, spread(-bound), x));
    else return _mm512_maskz_min_pd(0xFF, spread(bound), _mm512_maskz_max_pd(0xFF, spread(-bound), x));
#else
    const vec<T> above = x < spread(-bound) ? spread(-bound) : x;
    return above > spread(bound) ? spread(bound) : above;
#endif
}

template <class T>
UNROLLED_INLINE vec<T> divide(vec<T> a, vec<T> b) {
#if defined(__AVX512F__)
    // Three cheap operations for one that takes as long as ten: exact to the last bit but one.
    if constexpr (sizeof(T) == 4) {
        const vec<T> guess = _mm512_maskz_rcp14_ps(0xFFFF, b);
        return a * (guess + guess * (T(1) - b * guess));
    }
#endif
    return a / b;
}

#define UNROLLED_EACH UNROLLED_UNROLL for (int k = 0; k < N; ++k)

// 2^n, for what reduce() leaves in `n` and `shifted`: n as a number, and again as an integer in the low bits.
template <class T>
UNROLLED_INLINE vec<T> power_of_two(vec<T> shifted) {
    using integers = typename Vector<T>::integers;
    const integers one = reinterpret_cast<integers>(spread(T(1)));
    return reinterpret_cast<vec<T>>((reinterpret_cast<integers>(shifted) << ExpConstants<T>::mantissa) + one);
}

// y·2^n.
template <class T>
UNROLLED_INLINE vec<T> scaled(vec<T> y, [[maybe_unused]] vec<T> n, [[maybe_unused]] vec<T> shifted) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_maskz_scalef_ps(0xFFFF, y, n);
    else return _mm512_maskz_scalef_pd(0xFF, y, n);
#else
    return y * power_of_two<T>(shifted);
#endif
}

// Of exp(sign·factor·x): n, r / factor, and s(r) multiplied by the powers of `factor` that make it a polynomial of r / factor.
template <class T, int N, int sign, int factor>
UNROLLED_INLINE void reduce(const vec<T> (&x)[N], vec<T> (&shifted)[N], vec<T> (&n)[N], vec<T> (&r)[N], vec<T> (&s)[N]) {
    using K = ExpConstants<T>;
    constexpr int terms = sizeof(K::series) / sizeof(T);
    constexpr auto term = [](int k) {
        T value = K::series[k];
        for (int power = 0; power < terms + 1 - k; ++power) value *= factor;
        return value;
    };
    UNROLLED_EACH shifted[k] = x[k] * (sign * factor * K::log2_e) + K::shifter;
    UNROLLED_EACH n[k] = shifted[k] - K::shifter;
    UNROLLED_EACH r[k] = (sign < 0 ? -x[k] : x[k]) - n[k] * (K::ln2 / factor);
    if constexpr (K::ln2_rest != T(0)) UNROLLED_EACH r[k] = r[k] - n[k] * (K::ln2_rest / factor);
    UNROLLED_EACH s[k] = r[k] * term(0) + term(1);
    UNROLLED_UNROLL
    for (int t = 2; t < terms; ++t) UNROLLED_EACH s[k] = s[k] * r[k] + term(t);
}

template <class T, int N>
UNROLLED_INLINE void sigmoid(vec<T> (&x)[N]) {
    vec<T> shifted[N], n[N], r[N], s[N];
    UNROLLED_EACH x[k] = clamp<T>(x[k], ExpConstants<T>::range);
    reduce<T, N, -1, 1>(x, shifted, n, r, s);
    UNROLLED_EACH s[k] = s[k] * r[k] + T(1);
    UNROLLED_EACH s[k] = s[k] * r[k] + T(1);
    UNROLLED_EACH s[k] = scaled<T>(s[k], n[k], shifted[k]) + T(1);
    UNROLLED_EACH x[k] = divide<T>(spread(T(1)), s[k]);
}

template <class T, int N>
UNROLLED_INLINE void tanh(vec<T> (&x)[N]) {
    vec<T> shifted[N], n[N], r[N], s[N];
    UNROLLED_EACH x[k] = clamp<T>(x[k], ExpConstants<T>::saturated);
    reduce<T, N, 1, 2>(x, shifted, n, r, s);
    UNROLLED_EACH s[k] = s[k] * r[k] + T(2);
    UNROLLED_EACH s[k] = s[k] * r[k];
    UNROLLED_EACH n[k] = power_of_two<T>(shifted[k]);
    UNROLLED_EACH s[k] = s[k] * n[k] + (n[k] - T(1));
    UNROLLED_EACH x[k] = divide<T>(s[k], s[k] + T(2));
}

}  // namespace unrolled::UNROLLED_ISA
