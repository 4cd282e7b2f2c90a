// The one matrix product that all passes are made of: C = init + A·B, in tiles that stay in registers.
//
// Shapes: R = rows of a tile, V = its width in vectors, K = depth. B and C are stored in whole vectors, so that nothing
// here knows of masks: what lies beyond a matrix's last column is computed and never read.
#pragma once

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// The widest tile, in vectors, and its height: all accumulators, one row of B and a value of A have a register each.
constexpr int tile_vectors = registers >= 32 ? 4 : 2;

constexpr int tile_rows(int vectors) {
    if (registers < 32) return vectors == 2 ? 6 : 12;
    return vectors == 4 ? 6 : vectors == 3 ? 8 : 12;
}

// How A is stored: element (r, k) at a[r·stride + k], or transposed at a[k·stride + r].
enum class Order { rows, columns };

template <class T>
struct Product {
    const T* a;
    idx a_stride;
    const T* b;  // (K, columns), a row every b_stride
    idx b_stride;
    idx depth;      // K
    const T* init;  // added last, so that sums of many products round like one; a row every init_stride, which is 0
                    // to repeat one row; or null: zeros
    idx init_stride;
    T* c;
    idx c_stride;
    const char* ahead = nullptr;  // what is multiplied next: fetched into the cache meanwhile, a line each step
};

constexpr idx cache_line = 64;

// Short tiles have too few accumulators to hide the latency of a multiply-add: they sum every second or fourth k apart.
constexpr int parts(int rows, int vectors) { return rows * vectors == 1 ? 4 : rows * vectors <= 4 ? 2 : 1; }

template <class T, Order order, int R, int V>
void tile(const Product<T>& p) {
    constexpr int P = parts(R, V);
    vec<T> sum[P][R][V] = {};
    const T* a = p.a;
    const T* b = p.b;
    const char* ahead = p.ahead ? p.ahead : reinterpret_cast<const char*>(p.b);
    const idx ahead_step = p.ahead ? cache_line : 0;
    const idx across = order == Order::rows ? p.a_stride : 1;
    const idx along = order == Order::rows ? 1 : p.a_stride;
    auto multiply = [&](vec<T>(&into)[R][V]) {
        vec<T> row[V];
        UNROLLED_UNROLL
        for (int v = 0; v < V; ++v) row[v] = load(b + v * lanes<T>);
        UNROLLED_UNROLL
        for (int r = 0; r < R; ++r) {
            const vec<T> value = spread(a[r * across]);
            UNROLLED_UNROLL
            for (int v = 0; v < V; ++v) into[r][v] += value * row[v];
        }
        __builtin_prefetch(ahead, 0, 2);
        ahead += ahead_step;
        a += along;
        b += p.b_stride;
    };
    idx k = 0;
    for (; k + P <= p.depth; k += P)
        UNROLLED_UNROLL
        for (int q = 0; q < P; ++q) multiply(sum[q]);
    for (; k < p.depth; ++k) multiply(sum[0]);
    UNROLLED_UNROLL
    for (int r = 0; r < R; ++r)
        UNROLLED_UNROLL
        for (int v = 0; v < V; ++v) {
            vec<T> whole = sum[0][r][v];
            if (p.init) whole += load(p.init + r * p.init_stride + v * lanes<T>);
            UNROLLED_UNROLL
            for (int q = 1; q < P; ++q) whole += sum[q][r][v];
            store(p.c + r * p.c_stride + v * lanes<T>, whole);
        }
}

template <class T, Order order, int V, int R = tile_rows(V)>
UNROLLED_INLINE void tile_of_height(idx rows, const Product<T>& p) {
    if (rows == R) tile<T, order, R, V>(p);
    else if constexpr (R > 1) tile_of_height<T, order, V, R - 1>(rows, p);
}

// Cut the rows into tiles of as equal a height as can be, rather than full ones and a poor rest.
template <class T, Order order, int V>
void tiles_below_each_other(Product<T> p, idx rows) {
    const idx count = (rows + tile_rows(V) - 1) / tile_rows(V);
    for (idx k = 0; k < count; ++k) {
        const idx height = rows / count + (k < rows % count);
        tile_of_height<T, order, V>(height, p);
        p.a += order == Order::rows ? height * p.a_stride : height;
        if (p.init) p.init += height * p.init_stride;
        p.c += height * p.c_stride;
        if (p.ahead) p.ahead += p.depth * cache_line;
    }
}

template <class T, Order order, int V = tile_vectors>
void tiles_of_width(idx vectors, const Product<T>& p, idx rows) {
    if (vectors == V) tiles_below_each_other<T, order, V>(p, rows);
    else if constexpr (V > 1) tiles_of_width<T, order, V - 1>(vectors, p, rows);
}

// C = init + A·B for `vectors` vectors of columns.
template <Order order, class T>
void multiply(Product<T> p, idx rows, idx vectors) {
    const idx count = (vectors + tile_vectors - 1) / tile_vectors;
    for (idx k = 0; k < count; ++k) {
        const idx width = vectors / count + (k < vectors % count);
        tiles_of_width<T, order>(width, p, rows);
        p.b += width * lanes<T>;
        if (p.init) p.init += width * lanes<T>;
        p.c += width * lanes<T>;
    }
}

// Each lane and the one `apart` further on, added.
template <class T, int apart, std::size_t... lane>
UNROLLED_INLINE vec<T> folded(vec<T> value, std::index_sequence<lane...>) {
    using integers [[maybe_unused]] = typename Vector<T>::integers;
    return value + UNROLLED_SHUFFLE(value, value, ((lane + apart) % lanes<T>)...);
}

// The sum of a vector's lanes.
template <class T, int apart = lanes<T> / 2>
UNROLLED_INLINE T total(vec<T> value) {
    value = folded<T, apart>(value, std::make_index_sequence<lanes<T>>{});
    if constexpr (apart > 1) return total<T, apart / 2>(value);
    else return value[0];
}

// Scalar products of `a` with `Rows` rows of `b`, all `depth` long.
template <int Rows, class T>
UNROLLED_INLINE void dots(const T* a, const T* b, idx b_stride, idx depth, T* sums) {
    vec<T> sum[Rows] = {};
    for_vectors<T>(depth, [&](idx k, auto part) {
        const vec<T> value = part.load(a + k);
        UNROLLED_UNROLL
        for (int r = 0; r < Rows; ++r) sum[r] += value * part.load(b + r * b_stride + k);
    });
    UNROLLED_UNROLL
    for (int r = 0; r < Rows; ++r) sums[r] += total<T>(sum[r]);
}

// c (rows) += B·a, with B (rows, depth) as it lies: what is used only once is not worth packing.
template <class T>
void multiply_once(const T* a, const T* b, idx depth, idx rows, T* c) {
    idx r = 0;
    for (; r + 4 <= rows; r += 4) dots<4>(a, b + r * depth, depth, depth, c + r);
    for (; r < rows; ++r) dots<1>(a, b + r * depth, depth, depth, c + r);
}

}  // namespace unrolled::UNROLLED_ISA
