// One step of each cell on whole vectors: forward from the products' sums, backward to their derivatives.
//
// Shapes: H = hidden units, U = units of a panel, G = rows that are computed together.
// The equations, with their sources, are in src/unrolled/cells/; their derivatives in docs/math/.
#pragma once

#include "maths.h"

namespace unrolled::UNROLLED_ISA {

// What layer normalisation needs besides, and makes: csrc/norm.h.
template <class T>
struct Norms;
template <class T>
struct NormSums;

// Where one panel's units are, or under layer normalisation those of all panels. Arrays of rows have a stride; those of the caller, an address for each row.
template <class T>
struct Forwards {
    idx rows, units, first;  // units of the panel; the first one's number
    idx hidden;
    T* sums;    // gate by gate, U apart; a row every sums_stride
    T* h_sums;  // the part of h, where it is apart from that of x
    idx sums_stride;
    const T* h_before;  // GRU: a row every before_stride
    idx before_stride;
    T* h;  // a row every h_stride
    idx h_stride;
    T* c;  // LSTM: read and written, a row every c_stride
    idx c_stride;
    T** output;  // these three, or null where not wanted
    T** gates;
    T** cells;
    idx gates_ahead, cells_ahead;  // from a row's address to that of the next step, for the cache
    const T* peephole;             // LSTM: what i, f and o see of c, `hidden` apart; or null
    idx peephole_stride;           // 0; the panel's units where a row stands for a panel
    const Norms<T>* norms;         // of layer normalisation; or null
};

template <class T>
struct Backwards {
    idx rows, units, first;
    idx hidden;
    T* const* gates;
    T* const* cells;
    T* const* cells_before;
    T* const* d_output;  // or null: zeros
    T* const* output;    // RNN: h after the step
    const T* h_before;   // GRU: a row every before_stride
    idx before_stride;
    T* d_h;  // from the later steps; GRU: replaced by what goes straight to the step before. A row every d_h_stride
    idx d_h_stride;
    T* d_c;  // LSTM: from the later steps, replaced by what goes to the step before
    idx d_c_stride;
    T* d_sums;    // in panel order, from this panel's first column; a row every d_stride
    T* d_h_sums;  // of the sums of h, where they are apart
    idx d_stride;
    T* m;  // LSTM with projection: o·tanh(c) goes here, a row every m_stride; or null
    idx m_stride;
    const T* peephole;  // LSTM: as in Forwards
    T* d_peephole;      // their derivatives, added to; `hidden` apart; or null where not wanted
    const Norms<T>* norms;       // as in Forwards
    const NormSums<T>* d_norms;  // their derivatives, added to; or null where not wanted
};

// Large arrays are in no cache when they are written: ask for the place of the next step's. (Asking likewise for what the
// backward pass reads made that slower: the processor foresees it.)
template <class T>
UNROLLED_INLINE void expect(T* address) {
    __builtin_prefetch(address, 1, 2);
}

// The derivative that comes to h from the output and from the later steps.
template <class T, class Part>
UNROLLED_INLINE vec<T> incoming(const Backwards<T>& p, idx row, idx at, Part part) {
    const vec<T> later = part.load(p.d_h + row * p.d_h_stride + at);
    return p.d_output == nullptr ? later : later + part.load(p.d_output[row] + at);
}

// Call Step::rows<G>(arguments, first row, first unit, part) for all rows and vectors of units.
template <class Step, int G, class T, class Arguments>
void for_rows(const Arguments& p) {
    for_vectors<T>(p.units, [&](idx j, auto part) {
        idx r = 0;
        for (; r + G <= p.rows; r += G) Step::template rows<G>(p, r, j, part);
        if constexpr (G > 2)
            for (; r + 2 <= p.rows; r += 2) Step::template rows<2>(p, r, j, part);
        for (; r < p.rows; ++r) Step::template rows<1>(p, r, j, part);
    });
}

#define UNROLLED_ROWS UNROLLED_UNROLL for (int k = 0; k < G; ++k)

template <class T, bool peeps = false>
struct Lstm {
    static constexpr idx gates = 4, saved = 4;
    static constexpr bool apart = false;       // whether x's and h's sums are needed apart
    static constexpr bool straight = false;    // whether h goes on to the next step by itself, too
    static constexpr bool normalises = false;  // whether sums are of use only when all of a row are there
    static constexpr bool has_cell = true;

    struct Forwardly {
        template <int G, class Part>
        UNROLLED_INLINE static void rows(const Forwards<T>& p, idx r, idx j, Part part) {
            vec<T> sigmoids[3 * G], g[G], c[G], squashed[G];
            vec<T>*i = sigmoids, *f = sigmoids + G, *o = sigmoids + 2 * G;
            UNROLLED_ROWS {
                const T* sums = p.sums + (r + k) * p.sums_stride + j;
                i[k] = part.load(sums);
                f[k] = part.load(sums + p.units);
                g[k] = part.load(sums + 2 * p.units);
                o[k] = part.load(sums + 3 * p.units);
            }
            const idx at = p.first + j;
            if constexpr (peeps) UNROLLED_ROWS {
                const T* weight = p.peephole + (r + k) * p.peephole_stride + at;
                const vec<T> before = part.load(p.c + (r + k) * p.c_stride + at);
                i[k] += part.load(weight) * before;
                f[k] += part.load(weight + p.hidden) * before;
            }
            if constexpr (peeps) sigmoid<T>(reinterpret_cast<vec<T>(&)[2 * G]>(sigmoids));
            else sigmoid<T>(sigmoids);
            tanh<T>(g);
            UNROLLED_ROWS {
                T* c_at = p.c + (r + k) * p.c_stride + at;
                squashed[k] = c[k] = f[k] * part.load(c_at) + i[k] * g[k];
                part.store(c_at, c[k]);
            }
            if constexpr (peeps) {
                UNROLLED_ROWS o[k] += part.load(p.peephole + (r + k) * p.peephole_stride + 2 * p.hidden + at) * c[k];
                sigmoid<T>(reinterpret_cast<vec<T>(&)[G]>(*o));
            }
            tanh<T>(squashed);
            UNROLLED_ROWS {
                const vec<T> h = o[k] * squashed[k];
                part.store(p.h + (r + k) * p.h_stride + at, h);
                if (p.output != nullptr) part.store(p.output[r + k] + at, h);
                if (p.cells != nullptr) {
                    part.store(p.cells[r + k] + at, c[k]);
                    expect(p.cells[r + k] + at + p.cells_ahead);
                }
                if (p.gates != nullptr) {
                    T* to = p.gates[r + k] + at;
                    for (idx gate = 0; gate < saved; ++gate) expect(to + gate * p.hidden + p.gates_ahead);
                    part.store(to, i[k]);
                    part.store(to + p.hidden, f[k]);
                    part.store(to + 2 * p.hidden, g[k]);
                    part.store(to + 3 * p.hidden, o[k]);
                }
            }
        }
    };

    struct Backwardly {
        template <int G, class Part>
        UNROLLED_INLINE static void rows(const Backwards<T>& p, idx r, idx j, Part part) {
            const idx at = p.first + j;
            vec<T> squashed[G], d_peephole[3] = {};
            UNROLLED_ROWS squashed[k] = part.load(p.cells[r + k] + at);
            tanh<T>(squashed);
            UNROLLED_ROWS {
                const T* gate = p.gates[r + k] + at;
                const vec<T> i = part.load(gate), f = part.load(gate + p.hidden);
                const vec<T> g = part.load(gate + 2 * p.hidden), o = part.load(gate + 3 * p.hidden);
                const vec<T> m = o * squashed[k];
                if (p.m != nullptr) part.store(p.m + (r + k) * p.m_stride + at, m);
                const vec<T> d_h = incoming(p, r + k, at, part);
                T* d_c_at = p.d_c + (r + k) * p.d_c_stride + at;
                vec<T> d_c = part.load(d_c_at) + d_h * (o - m * squashed[k]);
                const vec<T> d_o_sum = d_h * m * (T(1) - o);
                if constexpr (peeps) d_c += d_o_sum * part.load(p.peephole + 2 * p.hidden + at);
                const vec<T> d_i = d_c * i, before = part.load(p.cells_before[r + k] + at);
                const vec<T> d_i_sum = d_i * g * (T(1) - i), d_f_sum = d_c * before * (f - f * f);
                vec<T> d_before = d_c * f;
                if constexpr (peeps) {
                    d_before += d_i_sum * part.load(p.peephole + at) + d_f_sum * part.load(p.peephole + p.hidden + at);
                    d_peephole[0] += d_i_sum * before;
                    d_peephole[1] += d_f_sum * before;
                    d_peephole[2] += d_o_sum * part.load(p.cells[r + k] + at);
                }
                part.store(d_c_at, d_before);
                T* to = p.d_sums + (r + k) * p.d_stride + j;
                part.store(to, d_i_sum);
                part.store(to + p.units, d_f_sum);
                part.store(to + 2 * p.units, d_i * (T(1) - g * g));
                part.store(to + 3 * p.units, d_o_sum);
            }
            if constexpr (peeps)
                for (idx gate = 0; p.d_peephole != nullptr && gate < 3; ++gate) {
                    T* to = p.d_peephole + gate * p.hidden + at;
                    part.store(to, part.load(to) + d_peephole[gate]);
                }
        }
    };

    static void forward(const Forwards<T>& p) { for_rows<Forwardly, 4, T>(p); }
    static void backward(const Backwards<T>& p) { for_rows<Backwardly, 4, T>(p); }
};

template <class T>
struct Gru {
    static constexpr idx gates = 3, saved = 4;
    static constexpr bool apart = true, straight = true, normalises = false;
    static constexpr bool has_cell = false;

    struct Forwardly {
        template <int G, class Part>
        UNROLLED_INLINE static void rows(const Forwards<T>& p, idx r, idx j, Part part) {
            vec<T> sigmoids[2 * G], n[G], h_sum[G];
            vec<T>*reset = sigmoids, *z = sigmoids + G;
            UNROLLED_ROWS {
                const T* of_x = p.sums + (r + k) * p.sums_stride + j;
                const T* of_h = p.h_sums + (r + k) * p.sums_stride + j;
                reset[k] = part.load(of_x) + part.load(of_h);
                z[k] = part.load(of_x + p.units) + part.load(of_h + p.units);
                h_sum[k] = part.load(of_h + 2 * p.units);
            }
            sigmoid<T>(sigmoids);
            UNROLLED_ROWS {
                const T* of_x = p.sums + (r + k) * p.sums_stride + j;
                n[k] = part.load(of_x + 2 * p.units) + reset[k] * h_sum[k];
            }
            tanh<T>(n);
            const idx at = p.first + j;
            UNROLLED_ROWS {
                const vec<T> h = n[k] + z[k] * (part.load(p.h_before + (r + k) * p.before_stride + at) - n[k]);
                part.store(p.h + (r + k) * p.h_stride + at, h);
                if (p.output != nullptr) part.store(p.output[r + k] + at, h);
                if (p.gates != nullptr) {
                    T* to = p.gates[r + k] + at;
                    for (idx gate = 0; gate < saved; ++gate) expect(to + gate * p.hidden + p.gates_ahead);
                    part.store(to, reset[k]);
                    part.store(to + p.hidden, z[k]);
                    part.store(to + 2 * p.hidden, n[k]);
                    part.store(to + 3 * p.hidden, h_sum[k]);
                }
            }
        }
    };

    struct Backwardly {
        template <int G, class Part>
        UNROLLED_INLINE static void rows(const Backwards<T>& p, idx r, idx j, Part part) {
            static_assert(G == 1);
            const idx at = p.first + j;
            const T* gate = p.gates[r] + at;
            const vec<T> reset = part.load(gate), z = part.load(gate + p.hidden);
            const vec<T> n = part.load(gate + 2 * p.hidden), h_sum = part.load(gate + 3 * p.hidden);
            const vec<T> d_h = incoming(p, r, at, part);
            const vec<T> d_n = d_h * (T(1) - z) * (T(1) - n * n);
            const vec<T> d_z = d_h * (part.load(p.h_before + r * p.before_stride + at) - n) * (z - z * z);
            const vec<T> d_reset = d_n * h_sum * (reset - reset * reset);
            part.store(p.d_h + r * p.d_h_stride + at, d_h * z);
            T* to_x = p.d_sums + r * p.d_stride + j;
            T* to_h = p.d_h_sums + r * p.d_stride + j;
            part.store(to_x, d_reset);
            part.store(to_h, d_reset);
            part.store(to_x + p.units, d_z);
            part.store(to_h + p.units, d_z);
            part.store(to_x + 2 * p.units, d_n);
            part.store(to_h + 2 * p.units, d_n * reset);
        }
    };

    static void forward(const Forwards<T>& p) { for_rows<Forwardly, 4, T>(p); }
    static void backward(const Backwards<T>& p) { for_rows<Backwardly, 1, T>(p); }
};

template <class T, bool relu>
struct Rnn {
    static constexpr idx gates = 1, saved = 0;
    static constexpr bool apart = false, straight = false, normalises = false;
    static constexpr bool has_cell = false;

    struct Forwardly {
        template <int G, class Part>
        UNROLLED_INLINE static void rows(const Forwards<T>& p, idx r, idx j, Part part) {
            vec<T> h[G];
            UNROLLED_ROWS h[k] = part.load(p.sums + (r + k) * p.sums_stride + j);
            if constexpr (relu) UNROLLED_ROWS h[k] = h[k] < vec<T>{} ? vec<T>{} : h[k];
            else tanh<T>(h);
            UNROLLED_ROWS {
                part.store(p.h + (r + k) * p.h_stride + p.first + j, h[k]);
                if (p.output != nullptr) part.store(p.output[r + k] + p.first + j, h[k]);
            }
        }
    };

    struct Backwardly {
        template <int G, class Part>
        UNROLLED_INLINE static void rows(const Backwards<T>& p, idx r, idx j, Part part) {
            static_assert(G == 1);
            const idx at = p.first + j;
            const vec<T> h = part.load(p.output[r] + at), d_h = incoming(p, r, at, part);
            const vec<T> d_sum = relu ? (h > vec<T>{} ? d_h : vec<T>{}) : d_h * (T(1) - h * h);
            part.store(p.d_sums + r * p.d_stride + j, d_sum);
        }
    };

    static void forward(const Forwards<T>& p) { for_rows<Forwardly, 4, T>(p); }
    static void backward(const Backwards<T>& p) { for_rows<Backwardly, 1, T>(p); }
};

}  // namespace unrolled::UNROLLED_ISA
