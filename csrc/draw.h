// Which units keep their states: random bytes, 1 with a given probability and else 0.
//
// Byte k depends on the seed and on k alone, so that threads and instruction sets change nothing: it is whether a hash of both is
// below a bound. The hash is "lowbias32" of Chris Wellons' hash-prospector (2018), twice.
#pragma once

#include "simd.h"
#include "threads.h"

namespace unrolled::UNROLLED_ISA {

UNROLLED_INLINE std::uint32_t scramble(std::uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

inline void draw_share(const Draw& draw, idx first, idx count) {
    const auto low = static_cast<std::uint32_t>(draw.seed), high = static_cast<std::uint32_t>(draw.seed >> 32);
    const auto bound = static_cast<std::uint32_t>(draw.probability * 4294967296.0);
    const auto start = static_cast<std::uint32_t>(first) + low;
    const auto round = static_cast<std::uint32_t>(static_cast<std::uint64_t>(first) >> 32) + high;
    std::uint8_t* __restrict to = draw.to + first;
    for (idx k = 0; k < count; ++k) to[k] = scramble(scramble(start + static_cast<std::uint32_t>(k)) ^ round) < bound;
}

inline void draw(const Draw& draw) {
    constexpr idx share = 1 << 15;  // a power of two: no share reaches over a 2^32nd byte
    parallel(draw.threads, (draw.count + share - 1) / share, [&](int, idx task) {
        const idx first = task * share, left = draw.count - first;
        draw_share(draw, first, left < share ? left : share);
    });
}

}  // namespace unrolled::UNROLLED_ISA
