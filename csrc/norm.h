// The LSTM with layer normalisation (Ba, Kiros & Hinton 2016, equations 20 to 22), and how it is run.
//
// Shapes: H = hidden units, U = units of a panel, G = rows that are computed together.
// A gate is told norm(W_ih·x)·gain_x + norm(W_hh·h)·gain_h + shift, and h = o·tanh(norm(c)·gain_c + shift_c), where norm takes
// the mean off a row and divides by its deviation. The backward pass is in docs/math/lstm.md.
// Rows of sums are in panel order. Panels of four gates are one vector of units wide, but for the last one, which is as wide
// as units are left: the gates of the units at j are at 4·j, so many units apart, and a row has no gaps.
#pragma once

#include "cells.h"
#include "pack.h"
#include "rows.h"

namespace unrolled::UNROLLED_ISA {

// A lambda that is to become part of where it is called: what it adds up stays in registers.
#define UNROLLED_INLINED __attribute__((always_inline))

// What is added to a variance, as in torch.nn.functional.layer_norm.
constexpr double norm_epsilon = 1e-5;

// What a step keeps of a row after the normalised sums of x (4·H) and those of h (4·H).
enum Kept : idx { scale_x, scale_h, mean_c, scale_c };

// The gains and shifts, packed; nothing where a layer does not normalise.
template <class T>
struct Norms {
    Panels<T> panels{};
    T *gain_x = nullptr, *gain_h = nullptr, *shift = nullptr;  // (4·H) in panel order; `shift` is the sum of the biases
    T *gain_c = nullptr, *shift_c = nullptr;                   // (H)

    Norms() = default;
    Norms(const Layer& layer, Panels<T> panels, Carver& carver) : panels(panels) {
        if (!layer.normalises()) return;
        for (T** of : {&gain_x, &gain_h, &shift}) *of = carver.take<T>(panels.count() * panels.widest());
        for (T** of : {&gain_c, &shift_c}) *of = carver.take<T>(panels.hidden);
    }

    void pack(const Layer& layer, idx p) const {
        if (!layer.normalises()) return;
        const auto in_panel_order = [&](const void* one, const void* other, T* to) {
            pack_bias(panels, p, static_cast<const T*>(one), static_cast<const T*>(other), to);
        };
        in_panel_order(layer.norm_ih, nullptr, gain_x);
        in_panel_order(layer.norm_hh, nullptr, gain_h);
        in_panel_order(layer.bias_ih, layer.bias_hh, shift);
        const idx first = panels.first_unit(p), units = panels.units_of(p);
        copy_row(gain_c + first, static_cast<const T*>(layer.norm_c) + first, units);
        if (layer.norm_c_bias == nullptr) clear_row(shift_c + first, units);
        else copy_row(shift_c + first, static_cast<const T*>(layer.norm_c_bias) + first, units);
    }
};

// The derivatives of the gains and shifts, summed over one thread's rows.
template <class T>
struct NormSums {
    T *of_gain_x, *of_gain_h, *of_shift;  // (4·H) in panel order
    T *of_gain_c, *of_shift_c;            // (H)

    NormSums() = default;
    NormSums(Panels<T> panels, T* memory) {
        const idx columns = panels.count() * panels.widest();
        of_gain_x = memory;
        of_gain_h = of_gain_x + columns;
        of_shift = of_gain_h + columns;
        of_gain_c = of_shift + columns;
        of_shift_c = of_gain_c + panels.hidden;
    }

    static idx size(Panels<T> panels) { return 3 * panels.count() * panels.widest() + 2 * panels.hidden; }
};

// The lanes that are there; 0 in the others.
template <class T, bool whole>
UNROLLED_INLINE vec<T> only([[maybe_unused]] Lanes<T, whole> part, vec<T> value) {
    if constexpr (whole) return value;
    else return first_lanes<T>(part.count) ? value : vec<T>{};
}

UNROLLED_INLINE float root(float x) { return __builtin_sqrtf(x); }
UNROLLED_INLINE double root(double x) { return __builtin_sqrt(x); }

// Means of rows, and the reciprocals of their deviations: differences first and then their squares, or small deviations
// around a large mean would drown.
template <int G, class T>
UNROLLED_INLINE void find_statistics(T* const (&row)[G], idx width, T (&mean)[G], T (&scale)[G]) {
    vec<T> sum[G] = {}, squares[G] = {};
    for_vectors<T>(width, [&](idx j, auto part) { UNROLLED_ROWS sum[k] += part.load(row[k] + j); });
    UNROLLED_ROWS mean[k] = total<T>(sum[k]) / static_cast<T>(width);
    for_vectors<T>(width, [&](idx j, auto part) {
        UNROLLED_ROWS {
            const vec<T> apart = only(part, part.load(row[k] + j) - mean[k]);
            squares[k] += apart * apart;
        }
    });
    UNROLLED_ROWS scale[k] = T(1) / root(total<T>(squares[k]) / static_cast<T>(width) + static_cast<T>(norm_epsilon));
}

// to += value
template <class T, class Part>
UNROLLED_INLINE void add_to(T* to, vec<T> value, Part part) {
    part.store(to, part.load(to) + value);
}

// Means over a row: of the derivatives of what was normalised, and of their products with it.
template <class T>
struct Means {
    T d, along;

    // The derivative of what a normalised number was before.
    UNROLLED_INLINE vec<T> back(vec<T> d_normalised, vec<T> normalised, T scale) const {
        return (d_normalised - d - normalised * along) * scale;
    }
};

// What Means are made of, lane by lane.
template <class T>
struct Asked {
    vec<T> d{}, along{};

    UNROLLED_INLINE void add(vec<T> d_normalised, vec<T> normalised) {
        d += d_normalised;
        along += d_normalised * normalised;
    }
    UNROLLED_INLINE Means<T> means(T share) const { return {total<T>(d) * share, total<T>(along) * share}; }
};

// What a gate is told by its normalised sums.
template <class T, class Part>
UNROLLED_INLINE vec<T> tell(const Norms<T>& norms, idx column, vec<T> of_x, vec<T> of_h, Part part) {
    return of_x * part.load(norms.gain_x + column) + (of_h * part.load(norms.gain_h + column) + part.load(norms.shift + column));
}

// From what the gates are told to the gates, in its place, and c. `peephole` is null where there are none.
template <bool peeps, int G, class T, class Part>
UNROLLED_INLINE void open(vec<T> (&gate)[4][G], const vec<T> (&before)[G], vec<T> (&c)[G], const T* peephole, idx hidden, Part part) {
    vec<T> sigmoids[3 * G];
    UNROLLED_ROWS {
        sigmoids[k] = gate[0][k];
        sigmoids[G + k] = gate[1][k];
        sigmoids[2 * G + k] = gate[3][k];
        if constexpr (peeps) sigmoids[k] += part.load(peephole) * before[k];
        if constexpr (peeps) sigmoids[G + k] += part.load(peephole + hidden) * before[k];
    }
    if constexpr (peeps) sigmoid<T>(reinterpret_cast<vec<T>(&)[2 * G]>(sigmoids));
    else sigmoid<T>(sigmoids);
    tanh<T>(gate[2]);
    UNROLLED_ROWS {
        gate[0][k] = sigmoids[k];
        gate[1][k] = sigmoids[G + k];
        gate[3][k] = sigmoids[2 * G + k];
        c[k] = gate[1][k] * before[k] + gate[0][k] * gate[2][k];
        if constexpr (peeps) gate[3][k] += part.load(peephole + 2 * hidden) * c[k];
    }
    if constexpr (peeps) sigmoid<T>(gate[3]);
}

// Some rows' step. All addresses are its own: behind others' the compiler would expect any of them changed by every store.
template <class T, bool peeps, int G>
struct NormForwardly {
    struct Row {
        T *of_x, *of_h, *c, *h, *output, *kept, *cells;
    };

    idx hidden, kept_ahead, cells_ahead;
    Norms<T> norms;
    const T* peephole;
    Row row[G];

    UNROLLED_INLINE NormForwardly(const Forwards<T>& p, idx r)
        : hidden(p.hidden), kept_ahead(p.gates_ahead), cells_ahead(p.cells_ahead), norms(*p.norms), peephole(p.peephole) {
        UNROLLED_ROWS row[k] = {p.sums + (r + k) * p.sums_stride,
                                p.h_sums + (r + k) * p.sums_stride,
                                p.c + (r + k) * p.c_stride,
                                p.h + (r + k) * p.h_stride,
                                p.output == nullptr ? nullptr : p.output[r + k],
                                p.gates == nullptr ? nullptr : p.gates[r + k],
                                p.cells == nullptr ? nullptr : p.cells[r + k]};
    }

    UNROLLED_INLINE void run() {
        T *sums[2 * G], *c[G], mean[2 * G], scale[2 * G], c_mean[G], c_scale[G];
        UNROLLED_ROWS {
            sums[k] = row[k].of_x;
            sums[G + k] = row[k].of_h;
            c[k] = row[k].c;
        }
        find_statistics(sums, 4 * hidden, mean, scale);
        for_vectors<T>(hidden, [&](idx j, auto part) UNROLLED_INLINED { make_c(j, part, mean, scale); });
        find_statistics(c, hidden, c_mean, c_scale);
        for_vectors<T>(hidden, [&](idx j, auto part) UNROLLED_INLINED { make_h(j, part, c_mean, c_scale); });
        UNROLLED_ROWS if (row[k].kept != nullptr) {
            T* to = row[k].kept + 8 * hidden;
            clear_row(to, kept_besides);
            to[scale_x] = scale[k];
            to[scale_h] = scale[G + k];
            to[mean_c] = c_mean[k];
            to[scale_c] = c_scale[k];
        }
    }

  private:
    // Normalise the sums, and from the gates make c; gate o stays in the place of its sum of x.
    template <class Part>
    UNROLLED_INLINE void make_c(idx j, Part part, const T (&mean)[2 * G], const T (&scale)[2 * G]) {
        vec<T> gate[4][G], before[G], c[G];
        UNROLLED_UNROLL
        for (idx g = 0; g < 4; ++g) UNROLLED_ROWS {
            const idx column = 4 * j + g * part.count;
            const vec<T> of_x = (part.load(row[k].of_x + column) - mean[k]) * scale[k];
            const vec<T> of_h = (part.load(row[k].of_h + column) - mean[G + k]) * scale[G + k];
            gate[g][k] = tell(norms, column, of_x, of_h, part);
            if (row[k].kept != nullptr)
                for (idx half : {idx{0}, 4 * hidden}) {
                    part.store(row[k].kept + half + column, half == 0 ? of_x : of_h);
                    expect(row[k].kept + half + column + kept_ahead);
                }
        }
        UNROLLED_ROWS before[k] = part.load(row[k].c + j);
        open<peeps>(gate, before, c, peeps ? peephole + j : nullptr, hidden, part);
        UNROLLED_ROWS {
            part.store(row[k].c + j, c[k]);
            part.store(row[k].of_x + 4 * j + 3 * part.count, gate[3][k]);
            if (row[k].cells != nullptr) {
                part.store(row[k].cells + j, c[k]);
                expect(row[k].cells + j + cells_ahead);
            }
        }
    }

    template <class Part>
    UNROLLED_INLINE void make_h(idx j, Part part, const T (&mean)[G], const T (&scale)[G]) {
        const vec<T> gain = part.load(norms.gain_c + j), shift = part.load(norms.shift_c + j);
        vec<T> squashed[G];
        UNROLLED_ROWS {
            const vec<T> normalised = (part.load(row[k].c + j) - mean[k]) * scale[k];
            squashed[k] = normalised * gain + shift;
        }
        tanh<T>(squashed);
        UNROLLED_ROWS {
            const vec<T> h = part.load(row[k].of_x + 4 * j + 3 * part.count) * squashed[k];
            part.store(row[k].h + j, h);
            if (row[k].output != nullptr) part.store(row[k].output + j, h);
        }
    }
};

template <class T, bool peeps, int G>
struct NormBackwardly {
    struct Row {
        const T *kept, *before, *d_h, *d_output;
        T *d_c, *d_x_sums, *d_h_sums, *m;
    };

    idx hidden;
    bool sums_wanted;
    Norms<T> norms;
    NormSums<T> d_norms;
    const T* peephole;
    T* d_peephole;
    Row row[G];

    UNROLLED_INLINE NormBackwardly(const Backwards<T>& p, idx r)
        : hidden(p.hidden), sums_wanted(p.d_norms != nullptr), norms(*p.norms), d_norms(sums_wanted ? *p.d_norms : NormSums<T>{}),
          peephole(p.peephole), d_peephole(p.d_peephole) {
        UNROLLED_ROWS row[k] = {p.gates[r + k],
                                p.cells_before[r + k],
                                p.d_h + (r + k) * p.d_h_stride,
                                p.d_output == nullptr ? nullptr : p.d_output[r + k],
                                p.d_c + (r + k) * p.d_c_stride,
                                p.d_sums + (r + k) * p.d_stride,
                                p.d_h_sums + (r + k) * p.d_stride,
                                p.m == nullptr ? nullptr : p.m + (r + k) * p.m_stride};
    }

    UNROLLED_INLINE void run() {
        Asked<T> of_c[G], of_x[G], of_h[G];
        Means<T> c[G];
        const T share = T(1) / static_cast<T>(hidden);
        for_vectors<T>(hidden, [&](idx j, auto part) UNROLLED_INLINED { ask_c(j, part, of_c); });
        UNROLLED_ROWS c[k] = of_c[k].means(share);
        for_vectors<T>(hidden, [&](idx j, auto part) UNROLLED_INLINED { ask_sums(j, part, c, of_x, of_h); });
        UNROLLED_ROWS go_back(row[k], of_x[k].means(share / 4), of_h[k].means(share / 4));
    }

  private:
    // From h back to c as it was normalised. What was found out on the way stays until it is replaced by the derivatives of
    // the sums: i, f, g and gate o's derivative in the places of those of x; that of c, normalised c and c in those of h.
    template <class Part>
    UNROLLED_INLINE void ask_c(idx j, Part part, Asked<T> (&of_c)[G]) {
        const idx units = part.count;
        const vec<T> gain = part.load(norms.gain_c + j), shift = part.load(norms.shift_c + j);
        vec<T> gate[4][G], before[G], c[G], normalised[G], squashed[G], d_gain{}, d_shift{};
        UNROLLED_UNROLL
        for (idx g = 0; g < 4; ++g) UNROLLED_ROWS {
            const T* kept = row[k].kept + 4 * j + g * units;
            gate[g][k] = tell(norms, 4 * j + g * units, part.load(kept), part.load(kept + 4 * hidden), part);
        }
        UNROLLED_ROWS before[k] = part.load(row[k].before + j);
        open<peeps>(gate, before, c, peeps ? peephole + j : nullptr, hidden, part);
        UNROLLED_ROWS {
            const T* kept = row[k].kept + 8 * hidden;
            normalised[k] = (c[k] - kept[mean_c]) * kept[scale_c];
            squashed[k] = normalised[k] * gain + shift;
        }
        tanh<T>(squashed);
        UNROLLED_ROWS {
            const vec<T> o = gate[3][k], m = o * squashed[k];
            vec<T> d_h = part.load(row[k].d_h + j);
            if (row[k].d_output != nullptr) d_h += part.load(row[k].d_output + j);
            if (row[k].m != nullptr) part.store(row[k].m + j, m);
            const vec<T> d = d_h * (o - m * squashed[k]), d_normalised = d * gain;
            d_gain += d * normalised[k];
            d_shift += d;
            of_c[k].add(d_normalised, normalised[k]);
            T *of_x = row[k].d_x_sums + 4 * j, *of_h = row[k].d_h_sums + 4 * j;
            part.store(of_x, gate[0][k]);
            part.store(of_x + units, gate[1][k]);
            part.store(of_x + 2 * units, gate[2][k]);
            part.store(of_x + 3 * units, d_h * m * (T(1) - o));
            part.store(of_h, d_normalised);
            part.store(of_h + units, normalised[k]);
            if constexpr (peeps) part.store(of_h + 2 * units, c[k]);
        }
        if (!sums_wanted) return;
        add_to(d_norms.of_gain_c + j, d_gain, part);
        add_to(d_norms.of_shift_c + j, d_shift, part);
    }

    // From c to what the gates were told.
    template <class Part>
    UNROLLED_INLINE void ask_sums(idx j, Part part, const Means<T> (&c)[G], Asked<T> (&of_x)[G], Asked<T> (&of_h)[G]) {
        const idx units = part.count;
        vec<T> d[4][G], d_peepholes[3] = {};
        UNROLLED_ROWS {
            const T *x = row[k].d_x_sums + 4 * j, *h = row[k].d_h_sums + 4 * j;
            const vec<T> i = part.load(x), f = part.load(x + units), g = part.load(x + 2 * units);
            const vec<T> before = part.load(row[k].before + j);
            vec<T> d_c = part.load(row[k].d_c + j) + c[k].back(part.load(h), part.load(h + units), row[k].kept[8 * hidden + scale_c]);
            d[3][k] = part.load(x + 3 * units);
            if constexpr (peeps) d_c += d[3][k] * part.load(peephole + 2 * hidden + j);
            const vec<T> d_i = d_c * i;
            d[0][k] = d_i * g * (T(1) - i);
            d[1][k] = d_c * before * (f - f * f);
            d[2][k] = d_i * (T(1) - g * g);
            vec<T> d_before = d_c * f;
            if constexpr (peeps) {
                d_before += d[0][k] * part.load(peephole + j) + d[1][k] * part.load(peephole + hidden + j);
                d_peepholes[0] += d[0][k] * before;
                d_peepholes[1] += d[1][k] * before;
                d_peepholes[2] += d[3][k] * part.load(h + 2 * units);
            }
            part.store(row[k].d_c + j, d_before);
        }
        UNROLLED_UNROLL
        for (idx g = 0; g < 4; ++g) ask_gate(4 * j + g * units, part, d[g], of_x, of_h);
        if constexpr (peeps)
            for (idx g = 0; sums_wanted && g < 3; ++g) add_to(d_peephole + g * hidden + j, d_peepholes[g], part);
    }

    template <class Part>
    UNROLLED_INLINE void ask_gate(idx column, Part part, const vec<T> (&d)[G], Asked<T> (&of_x)[G], Asked<T> (&of_h)[G]) {
        const vec<T> gain_x = part.load(norms.gain_x + column), gain_h = part.load(norms.gain_h + column);
        vec<T> d_gain_x{}, d_gain_h{}, d_shift{};
        UNROLLED_ROWS {
            const vec<T> x = part.load(row[k].kept + column), h = part.load(row[k].kept + 4 * hidden + column);
            part.store(row[k].d_x_sums + column, d[k]);
            of_x[k].add(d[k] * gain_x, x);
            of_h[k].add(d[k] * gain_h, h);
            d_gain_x += d[k] * x;
            d_gain_h += d[k] * h;
            d_shift += d[k];
        }
        if (!sums_wanted) return;
        add_to(d_norms.of_gain_x + column, d_gain_x, part);
        add_to(d_norms.of_gain_h + column, d_gain_h, part);
        add_to(d_norms.of_shift + column, d_shift, part);
    }

    // From what the gates of a row were told to its sums.
    UNROLLED_INLINE void go_back(Row at, Means<T> of_x, Means<T> of_h) {
        const T x_scale = at.kept[8 * hidden + scale_x], h_scale = at.kept[8 * hidden + scale_h];
        for_vectors<T>(4 * hidden, [&](idx j, auto part) UNROLLED_INLINED {
            const vec<T> d = part.load(at.d_x_sums + j), x = part.load(at.kept + j), h = part.load(at.kept + 4 * hidden + j);
            part.store(at.d_x_sums + j, of_x.back(d * part.load(norms.gain_x + j), x, x_scale));
            part.store(at.d_h_sums + j, of_h.back(d * part.load(norms.gain_h + j), h, h_scale));
        });
    }
};

// All units of some rows at once. A row of sums is replaced by what is made of it.
template <class T, bool peeps = false>
struct NormLstm {
    static constexpr idx gates = 4, saved = 8;
    static constexpr bool apart = true, straight = false, normalises = true, has_cell = true;

    static void forward(const Forwards<T>& p) {
        idx r = 0;
        for (; r + 4 <= p.rows; r += 4) NormForwardly<T, peeps, 4>(p, r).run();
        for (; r < p.rows; ++r) NormForwardly<T, peeps, 1>(p, r).run();
    }

    static void backward(const Backwards<T>& p) {
        idx r = 0;
        for (; r + 4 <= p.rows; r += 4) NormBackwardly<T, peeps, 4>(p, r).run();
        for (; r < p.rows; ++r) NormBackwardly<T, peeps, 1>(p, r).run();
    }
};

#undef UNROLLED_INLINED

}  // namespace unrolled::UNROLLED_ISA
