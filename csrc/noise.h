// What disturbs a recurrence: dropped recurrent units, and units that keep their states (zoneout).
//
// Shapes: N = batch, S = width of h, H = hidden units. The equations are in docs/math/noise.md.
#pragma once

#include "rows.h"

namespace unrolled::UNROLLED_ISA {

// The share m of a row's old state in its new one, unit by unit: 0 or 1 as drawn, or the same for all.
struct Held {
    const std::uint8_t* drawn;
    double rate;

    template <class T>
    T share(idx j) const {
        return drawn != nullptr ? static_cast<T>(drawn[j] != 0) : static_cast<T>(rate);
    }
};

inline Held held(const Hold& hold, const Block& block, idx row, idx step) {
    if (hold.data == nullptr) return {nullptr, hold.rate};
    return {hold.data + block.time(row, step) * hold.time + block.sequence[row] * hold.batch, 0};
}

// state = m·before + (1 − m)·state
template <class T>
void hold_row(T* __restrict state, const T* __restrict before, Held held, idx width) {
    for (idx j = 0; j < width; ++j) {
        const T m = held.share<T>(j);
        state[j] = m * before[j] + (T(1) - m) * state[j];
    }
}

// Backward: what goes straight to the step before is set aside; the rest stays.
template <class T>
void set_aside_row(T* __restrict d_state, T* __restrict aside, Held held, idx width) {
    for (idx j = 0; j < width; ++j) {
        const T m = held.share<T>(j), whole = d_state[j];
        aside[j] = m * whole;
        d_state[j] = (T(1) - m) * whole;
    }
}

template <class T>
void add_row(T* __restrict to, const T* __restrict from, idx width) {
    for (idx j = 0; j < width; ++j) to[j] += from[j];
}

template <class T>
void multiply_row(T* __restrict to, const T* __restrict by, idx width) {
    for (idx j = 0; j < width; ++j) to[j] *= by[j];
}

// The mask of a row's sequence, (S).
template <class T>
const T* mask_of(const Layer& layer, const Block& block, idx row) {
    return static_cast<const T*>(layer.h_mask) + block.sequence[row] * layer.width;
}

}  // namespace unrolled::UNROLLED_ISA
