// The forward pass: blocks of sequences, each run through all of time by one thread.
//
// Shapes: F = input features, H = hidden units, S = width of h, K = F + S. A row of `operands` is [x | h]: what one product
// of the step needs, so that the input's projection costs no memory. h goes to the other of two such buffers.
#pragma once

#include "noise.h"
#include "norm.h"
#include "pack.h"
#include "rows.h"
#include "threads.h"
#include "workspace.h"

namespace unrolled::UNROLLED_ISA {

// At most so many rows a block: their sums of one panel stay in the first-level cache.
constexpr idx forward_rows = 96;

// Weights that are multiplied by no more rows than these are used as they lie.
constexpr idx few_rows = 4;

// What all blocks read: the packed weights.
template <class T, class Cell>
struct ForwardWeights {
    Panels<T> panels;
    PackedRows<T> of_x, of_h;  // where x's and h's sums are not needed apart, `of_x` is both
    T* bias_x;
    T* bias_h;
    PackedColumns<T> projection;
    Norms<T> norms;
    bool as_they_lie;  // too few rows to be worth packing: only the biases and the projection are

    ForwardWeights(const Layer& layer, Carver& carver)
        : panels{layer.hidden, Cell::gates}, norms(layer, panels, carver) {
        as_they_lie = layer.steps * layer.batch <= few_rows && !layer.rounds();
        const idx depth = Cell::apart ? layer.features : layer.features + layer.width;
        of_x = {panels, depth, carver.take<T>(as_they_lie ? 0 : of_x.size(panels, depth))};
        bias_x = carver.take<T>(panels.count() * panels.widest());
        if (Cell::apart) {
            of_h = {panels, layer.width, carver.take<T>(as_they_lie ? 0 : of_h.size(panels, layer.width))};
            bias_h = carver.take<T>(panels.count() * panels.widest());
        }
        if (layer.projects()) {
            const Groups<T> groups{layer.width};
            projection = {groups, layer.hidden, carver.take<T>(projection.size(groups, layer.hidden))};
        }
    }

    idx tasks() const { return panels.count() + 1; }

    // Waking other threads takes longer than to pack a small layer.
    static int threads(const Layer& layer) {
        constexpr idx small = 1 << 16;
        return layer.hidden * Cell::gates * (layer.features + layer.width) < small ? 1 : layer.threads;
    }

    // Pack one panel, or the projection.
    void pack(const Layer& layer, idx task) const {
        if (task == panels.count()) pack_projection(layer);
        else pack_panel(layer, task);
    }

  private:
    void pack_panel(const Layer& layer, idx p) const {
        const T* weight_h = static_cast<const T*>(layer.weight_hh);
        const T* one = Cell::normalises ? nullptr : static_cast<const T*>(layer.bias_ih);
        const T* other = Cell::normalises ? nullptr : static_cast<const T*>(layer.bias_hh);
        norms.pack(layer, p);
        pack_bias<T>(panels, p, one, Cell::apart ? nullptr : other, bias_x);
        if constexpr (Cell::apart) pack_bias<T>(panels, p, other, nullptr, bias_h);
        if (as_they_lie) return;
        of_x.fill(p, 0, static_cast<const T*>(layer.weight_ih), layer.features);
        if constexpr (Cell::apart) of_h.fill(p, 0, weight_h, layer.width);
        else of_x.fill(p, layer.features, weight_h, layer.width);
        if (!layer.rounds()) return;
        of_x.round(p);
        if constexpr (Cell::apart) of_h.round(p);
    }

    void pack_projection(const Layer& layer) const {
        if (!layer.projects()) return;
        const T* weight = static_cast<const T*>(layer.weight_hr);
        for (idx g = 0; g < projection.groups.count(); ++g)
            for (idx k = 0; k < layer.hidden; ++k) {
                T* to = projection.group(g) + k * projection.groups.stored(g);
                for (idx j = 0; j < projection.groups.stored(g); ++j) {
                    const idx row = projection.groups.first(g) + j;
                    to[j] = row < layer.width ? weight[row * layer.hidden + k] : T(0);
                }
            }
        if (layer.rounds()) projection.round();
    }
};

// The sums of one panel for some rows of operands [x | h], and then the cell on them.
template <class T, class Cell>
struct Gates {
    const Layer& layer;
    const ForwardWeights<T, Cell>& weights;
    T* sums;  // (rows, widest panel), twice where x's and h's are apart; or where a cell normalises, (rows, all panels)

    // Elements of `sums`. A single row's panels are computed together.
    static idx sums_size(Panels<T> panels, idx rows) {
        const idx most = rows > panels.count() ? rows : panels.count();
        return (Cell::apart ? 2 : 1) * (Cell::normalises ? rows * row_of_sums(panels) : most * panels.widest());
    }

    // All panels of some rows.
    void run(const T* operands, idx stride, Forwards<T> to) const {
        to.norms = &weights.norms;
        if constexpr (Cell::normalises) return run_whole_rows(operands, stride, to);
        idx p = to.rows == 1 ? run_one_row(operands, stride, to) : 0;
        for (; p < weights.panels.count(); ++p) {
            const idx stored = weights.panels.stored(p);
            to.units = weights.panels.units_of(p);
            to.first = weights.panels.first_unit(p);
            to.sums = sums;
            to.h_sums = Cell::apart ? sums + to.rows * stored : sums;
            to.sums_stride = stored;
            sum(p, operands, stride, to.rows, to.sums, to.h_sums, stored);
            Cell::forward(to);
        }
    }

  private:
    static idx row_of_sums(Panels<T> panels) { return odd_lines<T>(panels.count() * panels.widest()); }

    void run_whole_rows(const T* operands, idx stride, Forwards<T> to) const {
        const Panels<T>& panels = weights.panels;
        to.sums_stride = row_of_sums(panels);
        to.sums = sums;
        to.h_sums = sums + to.rows * to.sums_stride;
        for (idx p = 0; p < panels.count(); ++p) {
            const idx first = panels.first_column(p);
            sum(p, operands, stride, to.rows, to.sums + first, to.h_sums + first, to.sums_stride);
        }
        Cell::forward(to);
    }

    // One row's full panels as if they were the rows of one, so that the cell has more than one vector to work on. Returns
    // the number of panels done. The addresses of `to` have room for as many.
    idx run_one_row(const T* operands, idx stride, Forwards<T> to) const {
        const Panels<T>& panels = weights.panels;
        const idx full = panels.hidden / panels.units(), width = panels.widest();
        T* h_sums = sums + full * width;
        for (idx p = 0; p < full; ++p) sum(p, operands, stride, 1, sums + p * width, h_sums + p * width, width);
        for (T** at : {to.output, to.gates, to.cells})
            for (idx p = 1; at != nullptr && p < full; ++p) at[p] = at[0] + p * panels.units();
        to.rows = full;
        to.units = to.before_stride = to.h_stride = to.c_stride = panels.units();
        to.first = 0;
        to.sums = sums;
        to.h_sums = h_sums;
        to.sums_stride = width;
        to.peephole_stride = panels.units();
        Cell::forward(to);
        return full;
    }

    // `h_sums` is for cells that need h's sums apart.
    void sum(idx p, const T* operands, idx stride, idx rows, T* sums, T* h_sums, idx sums_stride) const {
        if (weights.as_they_lie) return sum_once(p, operands, stride, rows, sums, Cell::apart ? h_sums : sums, sums_stride);
        const idx stored = weights.panels.stored(p), at = p * weights.panels.widest();
        const auto product = [&](const T* a, const PackedRows<T>& weight, const T* bias, T* c) {
            multiply<Order::rows, T>(
                {a, stride, weight.panel(p), stored, weight.depth, bias + at, 0, c, sums_stride, weight.after(p)}, rows,
                weights.panels.vectors(p));
        };
        product(operands, weights.of_x, weights.bias_x, sums);
        if constexpr (Cell::apart) product(operands + layer.features, weights.of_h, weights.bias_h, h_sums);
    }

    void sum_once(idx p, const T* operands, idx stride, idx rows, T* sums, T* h_sums, idx sums_stride) const {
        const Panels<T>& panels = weights.panels;
        const idx stored = panels.stored(p), at = p * panels.widest(), units = panels.units_of(p);
        for (idx r = 0; r < rows; ++r) {
            const T* x = operands + r * stride;
            copy_row(sums + r * sums_stride, weights.bias_x + at, stored);
            if constexpr (Cell::apart) copy_row(h_sums + r * sums_stride, weights.bias_h + at, stored);
            for (idx gate = 0; gate < panels.gates; ++gate) {
                const idx row = gate * panels.hidden + panels.first_unit(p), to = r * sums_stride + gate * units;
                multiply_once(x, static_cast<const T*>(layer.weight_ih) + row * layer.features, layer.features, units, sums + to);
                multiply_once(x + layer.features, static_cast<const T*>(layer.weight_hh) + row * layer.width, layer.width, units,
                              h_sums + to);
            }
        }
    }
};

// One thread's own memory.
template <class T, class Cell>
struct ForwardSpace {
    idx operand_stride, hidden_stride, projected_stride;
    T* operands[2];
    T* factors;  // a copy of the operands, where the products are to have them masked or rounded
    T* sums;
    T* c;
    T* c_before;   // where c is held
    T* m;          // o·tanh(c), before the projection
    T* projected;  // after it
    T** x;
    T** output;
    T** gates;
    T** cells;

    ForwardSpace(const Layer& layer, idx rows, Carver carver) {
        const Panels<T> panels{layer.hidden, Cell::gates};
        operand_stride = round_up(layer.features + layer.width, lanes<T>) + lanes<T>;
        hidden_stride = round_up(layer.hidden, lanes<T>);
        projected_stride = round_up(layer.width, lanes<T>);
        for (T*& buffer : operands) buffer = carver.take<T>(rows * operand_stride);
        factors = carver.take<T>(layer.rounds() || layer.masks() ? rows * operand_stride : 0);
        const idx most = rows > panels.count() ? rows : panels.count();
        sums = carver.take<T>(Gates<T, Cell>::sums_size(panels, rows));
        c = carver.take<T>(Cell::has_cell ? rows * hidden_stride : 0);
        c_before = carver.take<T>(layer.c_hold ? rows * hidden_stride : 0);
        m = carver.take<T>(layer.projects() ? rows * hidden_stride : 0);
        projected = carver.take<T>(layer.projects() ? rows * projected_stride : 0);
        for (T*** addresses : {&x, &output, &gates, &cells}) *addresses = carver.take<T*>(most);
        bytes = carver.used();
    }

    std::size_t bytes;
};

template <class T>
void load_state(const void* state, const Block& block, idx width, T* to, idx stride) {
    for (idx r = 0; r < block.rows; ++r) {
        if (state == nullptr) clear_row(to + r * stride, width);
        else copy_row(to + r * stride, static_cast<const T*>(state) + block.sequence[r] * width, width);
    }
}

template <class T>
void store_state(void* state, const Block& block, idx width, const T* from, idx stride) {
    for (idx r = 0; r < block.rows; ++r)
        copy_row(static_cast<T*>(state) + block.sequence[r] * width, from + r * stride, width);
}

template <class T, class Cell>
class ForwardBlock {
  public:
    ForwardBlock(const Forward& layer, const ForwardWeights<T, Cell>& weights, Block block, ForwardSpace<T, Cell> space)
        : layer_(layer), block_(block), space_(space), gates_{layer, weights, space.sums} {}

    void run() {
        const idx features = layer_.features;
        load_state(layer_.h_0, block_, layer_.width, space_.operands[0] + features, space_.operand_stride);
        if constexpr (Cell::has_cell) load_state(layer_.c_0, block_, layer_.hidden, space_.c, space_.hidden_stride);
        for (idx s = 0; s < block_.steps(); ++s) step(s);
        store_last_h();
        if constexpr (Cell::has_cell) store_state(layer_.c_n, block_, layer_.hidden, space_.c, space_.hidden_stride);
        if (layer_.lengths != nullptr) clear_padding<T>(layer_.output, block_, layer_.steps, layer_.width);
    }

  private:
    void step(idx s) {
        const idx rows = block_.running(s);
        const bool projects = layer_.projects();
        T* operands = space_.operands[s % 2];
        T* h_next = space_.operands[(s + 1) % 2] + layer_.features;
        block_.addresses(layer_.x, s, rows, space_.x);
        block_.addresses(layer_.output, s, rows, space_.output);
        block_.addresses(layer_.gates, s, rows, space_.gates);
        block_.addresses(layer_.cells, s, rows, space_.cells);
        for (idx r = 0; r < rows; ++r) copy_row(operands + r * space_.operand_stride, space_.x[r], layer_.features);
        Forwards<T> to{};
        to.rows = rows;
        to.hidden = layer_.hidden;
        to.h_before = operands + layer_.features;
        to.before_stride = space_.operand_stride;
        to.h = projects ? space_.m : h_next;
        to.h_stride = projects ? space_.hidden_stride : space_.operand_stride;
        to.c = space_.c;
        to.c_stride = space_.hidden_stride;
        to.output = projects ? nullptr : space_.output;
        to.gates = layer_.gates ? space_.gates : nullptr;
        to.cells = layer_.cells ? space_.cells : nullptr;
        to.gates_ahead = block_.ahead(layer_.gates);
        to.cells_ahead = block_.ahead(layer_.cells);
        to.peephole = static_cast<const T*>(layer_.peephole);
        if (layer_.c_hold) copy_row(space_.c_before, space_.c, rows * space_.hidden_stride);
        gates_.run(factors(rows, operands), space_.operand_stride, to);
        if (projects) project(rows, h_next);
        if (layer_.h_hold) hold_h(s, rows, operands + layer_.features, h_next);
        if (layer_.c_hold) hold_c(s, rows);
    }

    // What the products are given.
    const T* factors(idx rows, const T* operands) const {
        if (!layer_.rounds() && !layer_.masks()) return operands;
        copy_row(space_.factors, operands, rows * space_.operand_stride);
        for (idx r = 0; layer_.masks() && r < rows; ++r)
            multiply_row(space_.factors + r * space_.operand_stride + layer_.features, mask_of<T>(layer_, block_, r), layer_.width);
        if (layer_.rounds()) copy_rounded(space_.factors, space_.factors, rows * space_.operand_stride);
        return space_.factors;
    }

    void hold_h(idx s, idx rows, const T* h_before, T* h_next) const {
        for (idx r = 0; r < rows; ++r) {
            T* h = h_next + r * space_.operand_stride;
            hold_row(h, h_before + r * space_.operand_stride, held(layer_.h_hold, block_, r, s), layer_.width);
            copy_row(space_.output[r], h, layer_.width);
        }
    }

    void hold_c(idx s, idx rows) const {
        for (idx r = 0; r < rows; ++r) {
            T* c = space_.c + r * space_.hidden_stride;
            hold_row(c, space_.c_before + r * space_.hidden_stride, held(layer_.c_hold, block_, r, s), layer_.hidden);
            if (layer_.cells) copy_row(space_.cells[r], c, layer_.hidden);
        }
    }

    void project(idx rows, T* h_next) {
        if (layer_.rounds()) copy_rounded(space_.m, space_.m, rows * space_.hidden_stride);
        gates_.weights.projection.times(
            {space_.m, space_.hidden_stride, nullptr, 0, 0, nullptr, 0, space_.projected, space_.projected_stride}, rows);
        for (idx r = 0; r < rows; ++r) {
            const T* h = space_.projected + r * space_.projected_stride;
            copy_row(h_next + r * space_.operand_stride, h, layer_.width);
            copy_row(space_.output[r], h, layer_.width);
        }
    }

    void store_last_h() {
        for (idx r = 0; r < block_.rows; ++r) {
            const T* last = space_.operands[block_.length[r] % 2] + layer_.features + r * space_.operand_stride;
            copy_row(static_cast<T*>(layer_.h_n) + block_.sequence[r] * layer_.width, last, layer_.width);
        }
    }

    const Forward& layer_;
    Block block_;
    ForwardSpace<T, Cell> space_;
    Gates<T, Cell> gates_;
};

template <class T, class Cell>
void forward(const Forward& layer) {
    Carver counted;
    ForwardWeights<T, Cell>(layer, counted);
    counted.take<idx>(Blocks::entries(layer));
    Carver carver(workspace(Slot::shared, counted.used()));
    const ForwardWeights<T, Cell> weights(layer, carver);
    const Blocks blocks(layer, forward_rows, carver.take<idx>(Blocks::entries(layer)));
    parallel(weights.threads(layer), weights.tasks(), [&](int, idx task) { weights.pack(layer, task); });
    const std::size_t bytes = ForwardSpace<T, Cell>(layer, blocks.most_rows(), Carver()).bytes;
    parallel(layer.threads, blocks.count(), [&](int, idx k) {
        const ForwardSpace<T, Cell> space(layer, blocks.most_rows(), Carver(workspace(Slot::own, bytes)));
        ForwardBlock<T, Cell>(layer, weights, Block(blocks, k, layer), space).run();
    });
}

}  // namespace unrolled::UNROLLED_ISA
