// Weights laid out as the products read them.
//
// Shapes: B = gate blocks, H = hidden units, F = input features, S = width of h, U = units of a panel.
// A panel holds all gates of a few neighbouring units, gate by gate, so that one tile computes whole units. The columns of
// a (·, B·H) array in panel order are: panel 0's gate 0, its gate 1, …, panel 1's gate 0, and so on.
#pragma once

#include "product.h"

namespace unrolled::UNROLLED_ISA {

template <class T>
struct Panels {
    idx hidden, gates;

    idx units() const { return gates == 1 ? 4 * lanes<T> : lanes<T>; }
    idx count() const { return (hidden + units() - 1) / units(); }
    idx first_unit(idx panel) const { return panel * units(); }
    idx units_of(idx panel) const { return hidden - first_unit(panel) < units() ? hidden - first_unit(panel) : units(); }
    idx columns(idx panel) const { return gates * units_of(panel); }
    idx vectors(idx panel) const { return (columns(panel) + lanes<T> - 1) / lanes<T>; }
    idx stored(idx panel) const { return vectors(panel) * lanes<T>; }  // columns with the filling
    idx widest() const { return gates * units(); }
    idx first_column(idx panel) const { return gates * first_unit(panel); }
    idx all_columns() const { return gates * hidden; }

    // Call body(column of panel p, row of a (B·H, ·) weight that it stands for).
    template <class Body>
    void for_columns(idx p, Body&& body) const {
        const idx count = units_of(p);
        for (idx gate = 0; gate < gates; ++gate)
            for (idx u = 0; u < count; ++u) body(gate * count + u, gate * hidden + first_unit(p) + u);
    }
};

// Weights of this size and more don't stay in a core's own cache from step to step.
constexpr idx large_bytes = 1 << 19;

// One (B·H, K) weight, or several side by side, as panels of (K, columns): what the forward pass multiplies by.
template <class T>
struct PackedRows {
    Panels<T> panels;
    idx depth;
    T* data;

    static idx size(Panels<T> panels, idx depth) { return panels.count() * panels.widest() * depth; }

    T* panel(idx p) const { return data + p * panels.widest() * depth; }
    // What the cache should fetch while panel p is multiplied; null where all panels stay in it.
    const char* after(idx p) const {
        if (size(panels, depth) * static_cast<idx>(sizeof(T)) < large_bytes) return nullptr;
        return reinterpret_cast<const char*>(panel(p + 1 < panels.count() ? p + 1 : 0));
    }

    // Fill rows `first` and on of panel p with `weight` (B·H, width), and zeros up to whole vectors.
    void fill(idx p, idx first, const T* weight, idx width) const {
        const idx stored = panels.stored(p), units = panels.units_of(p);
        T* to = panel(p) + first * stored;
        for (idx gate = 0; gate < panels.gates; ++gate) {
            const T* from = weight + (gate * panels.hidden + panels.first_unit(p)) * width;
            for (idx u = 0; u < units; u += lanes<T>) {
                const idx count = units - u < lanes<T> ? units - u : lanes<T>;
                turn(from + u * width, count, width, to + gate * units + u, stored);
            }
        }
        for (idx k = 0; k < width; ++k)
            for (idx column = panels.columns(p); column < stored; ++column) to[k * stored + column] = T(0);
    }

    // Round panel p to bfloat16.
    void round(idx p) const { copy_rounded(panel(p), panel(p), depth * panels.stored(p)); }

  private:
    // Write `rows` rows of `from`, each `width` long, as columns of `to`.
    static void turn(const T* from, idx rows, idx width, T* to, idx stored) {
        constexpr idx few = lanes<T> / 4;
        if (rows < few || width < few) {
            for (idx r = 0; r < rows; ++r)
                for (idx k = 0; k < width; ++k) to[k * stored + r] = from[r * width + k];
            return;
        }
        for (idx k = 0; k < width; k += lanes<T>) {
            const idx depth = width - k < lanes<T> ? width - k : lanes<T>;
            vec<T> square[lanes<T>];
            if (rows == lanes<T> && depth == lanes<T>) {
                UNROLLED_UNROLL
                for (idx r = 0; r < lanes<T>; ++r) square[r] = load(from + r * width + k);
                transpose<T>(square);
                UNROLLED_UNROLL
                for (idx d = 0; d < lanes<T>; ++d) store(to + (k + d) * stored, square[d]);
            } else {
                for (idx r = 0; r < lanes<T>; ++r)
                    square[r] = r < rows ? load_some(from + r * width + k, depth) : vec<T>{};
                transpose<T>(square);
                for (idx d = 0; d < depth; ++d) store_some(to + (k + d) * stored, square[d], rows);
            }
        }
    }
};

// A bias (B·H), the sum of two, or zeros, in panel order, each panel filled up to whole vectors.
template <class T>
void pack_bias(Panels<T> panels, idx p, const T* one, const T* other, T* to) {
    to += p * panels.widest();
    clear_row(to, panels.stored(p));
    panels.for_columns(p, [&](idx column, idx row) {
        if (one) to[column] += one[row];
        if (other) to[column] += other[row];
    });
}

// Columns of a wide product in groups of at most a tile's width, as equal as can be; each group's are stored together.
template <class T>
struct Groups {
    idx columns;

    idx vectors() const { return (columns + lanes<T> - 1) / lanes<T>; }
    idx stored() const { return vectors() * lanes<T>; }
    idx count() const { return (vectors() + tile_vectors - 1) / tile_vectors; }
    idx first(idx group) const {
        const idx rest = vectors() % count();
        return (group * (vectors() / count()) + (group < rest ? group : rest)) * lanes<T>;
    }
    idx stored(idx group) const { return first(group + 1) - first(group); }
};

// A matrix (K, columns) in groups: what the backward pass and the projection multiply by.
template <class T>
struct PackedColumns {
    Groups<T> groups;
    idx depth;
    T* data;

    static idx size(Groups<T> groups, idx depth) { return groups.stored() * depth; }

    T* group(idx g) const { return data + groups.first(g) * depth; }

    // Set row k, columns `first` and on, to `from` (width); nothing else may have been set right of them.
    void fill(idx k, idx first, const T* from, idx width) const {
        for (idx g = 0; g < groups.count(); ++g) {
            const idx start = groups.first(g), stored = groups.stored(g);
            T* to = group(g) + k * stored;
            for (idx j = first > start ? first - start : 0; j < stored; ++j) {
                const idx column = start + j - first;
                to[j] = column < width ? from[column] : T(0);
            }
        }
    }

    // Round the whole to bfloat16.
    void round() const { copy_rounded(data, data, size(groups, depth)); }

    // C = init + A·B, or C + A·B.
    void times(Product<T> p, idx rows) const {
        p.depth = depth;
        for (idx g = 0; g < groups.count(); ++g) {
            Product<T> part = p;
            part.b = group(g);
            part.b_stride = groups.stored(g);
            if (size(groups, depth) * static_cast<idx>(sizeof(T)) >= large_bytes)
                part.ahead = reinterpret_cast<const char*>(group(g + 1 < groups.count() ? g + 1 : 0));
            if (part.init) part.init += groups.first(g);
            part.c += groups.first(g);
            multiply<Order::rows>(part, rows, part.b_stride / lanes<T>);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
