// The backward pass: blocks of sequences, each run back through all of time by one thread.
//
// Shapes: F = input features, H = hidden units, S = width of h, B = gate blocks, K = rows of a chunk.
// Per step: the derivatives of the gates' sums (B·H wide, in panel order), then those of x and h as one product with the weights.
// For the weights' gradients, the operands [1 | x | h | 1] and the derivatives of several steps are kept until they fill a
// chunk, and then multiplied: a product whose depth is the chunk's rows. The ones make the biases' gradients.
#pragma once

#include "forward.h"

namespace unrolled::UNROLLED_ISA {

constexpr idx backward_rows = 64;

// Rows of a chunk: a panel of so many derivatives stays in the first-level cache while it is multiplied.
constexpr idx full_chunk = 128;

// Whether the gates that the forward pass had are computed once more.
template <class Cell>
bool computes_gates(const Backward& layer) {
    return Cell::saved > 0 && !layer.gates;
}

// What all blocks read, packed: the weights to go back through, and again those of the forward pass where gates are computed anew.
template <class T, class Cell>
struct BackwardWeights {
    Panels<T> panels;
    PackedColumns<T> to_x, to_h;  // (B·H in panel order, F or S); joint: `to_h` gives [x | h], or h alone
    PackedColumns<T> to_m;        // projection: (S, H)
    Norms<T> norms;
    idx x_columns;                // of the joint product: F, or 0 where no d_x is wanted

    BackwardWeights(const Backward& layer, Carver& carver) : panels{layer.hidden, Cell::gates}, norms(layer, panels, carver) {
        x_columns = Cell::apart || !layer.d_x ? 0 : layer.features;
        to_h = reserve(carver, x_columns + layer.width, panels.all_columns());
        if (Cell::apart && layer.d_x) to_x = reserve(carver, layer.features, panels.all_columns());
        if (layer.projects()) to_m = reserve(carver, layer.hidden, layer.width);
    }

    void pack(const Backward& layer) const {
        const T* weight_x = static_cast<const T*>(layer.weight_ih);
        const T* weight_h = static_cast<const T*>(layer.weight_hh);
        for (idx p = 0; p < panels.count(); ++p) norms.pack(layer, p);
        for (idx p = 0; p < panels.count(); ++p)
            panels.for_columns(p, [&](idx column, idx row) {
                const idx k = panels.first_column(p) + column;
                if (x_columns > 0) to_h.fill(k, 0, weight_x + row * layer.features, layer.features);
                to_h.fill(k, x_columns, weight_h + row * layer.width, layer.width);
                if (Cell::apart && layer.d_x) to_x.fill(k, 0, weight_x + row * layer.features, layer.features);
            });
        const T* weight_m = static_cast<const T*>(layer.weight_hr);
        if (layer.projects())
            for (idx k = 0; k < layer.width; ++k) to_m.fill(k, 0, weight_m + k * layer.hidden, layer.hidden);
        if (!layer.rounds()) return;
        to_h.round();
        if (Cell::apart && layer.d_x) to_x.round();
        if (layer.projects()) to_m.round();
    }

  private:
    static PackedColumns<T> reserve(Carver& carver, idx columns, idx depth) {
        const Groups<T> groups{columns};
        return {groups, depth, carver.take<T>(PackedColumns<T>::size(groups, depth))};
    }
};

// Where the parts of a row of operands [1 | x | h | 1] begin.
struct Operands {
    idx features, width;

    idx x() const { return 1; }
    idx h() const { return 1 + features; }
    idx size() const { return 2 + features + width; }
};

// The sums of the weights' gradients over one thread's blocks.
// Joint: panels of ([1 | x | h], columns). Apart: those of ([1 | x], columns), then those of ([h | 1], columns).
template <class T, class Cell>
struct WeightSums {
    Panels<T> panels;
    Operands operands;
    idx hidden;
    T* of_x;
    T* of_h;
    T* of_m;         // projection: (S, H filled up)
    T* of_peephole;  // (3, H)
    NormSums<T> of_norms;

    WeightSums(const Backward& layer, T* memory)
        : panels{layer.hidden, Cell::gates}, operands{layer.features, layer.width}, hidden(layer.hidden) {
        of_x = memory;
        of_h = of_x + x_rows() * panels.count() * panels.widest();
        of_m = of_h + h_rows() * panels.count() * panels.widest();
        of_peephole = of_m + (layer.projects() ? layer.width * m_stride() : 0);
        of_norms = {panels, of_peephole + (layer.peephole != nullptr ? 3 * layer.hidden : 0)};
    }

    static idx size(const Backward& layer) {
        const WeightSums sums(layer, nullptr);
        const idx rows = sums.x_rows() + sums.h_rows();
        return rows * sums.panels.count() * sums.panels.widest() + (layer.projects() ? layer.width * sums.m_stride() : 0) +
               (layer.peephole != nullptr ? 3 * layer.hidden : 0) + (Cell::normalises ? NormSums<T>::size(sums.panels) : 0);
    }

    idx x_rows() const { return Cell::apart ? 1 + operands.features : 1 + operands.features + operands.width; }
    idx h_rows() const { return Cell::apart ? operands.width + 1 : 0; }
    idx m_stride() const { return round_up(hidden, lanes<T>); }

    // Add a chunk's products. `d_x`, `d_h`: derivatives of the gates' sums, a row every `stride`.
    void add(const T* rows, idx row_stride, const T* d_x, const T* d_h, idx stride, idx depth) const {
        for (idx p = 0; p < panels.count(); ++p) {
            const idx column = panels.first_column(p);
            add_panel(p, rows, row_stride, d_x + column, stride, depth, of_x, x_rows());
            if constexpr (Cell::apart)
                add_panel(p, rows + operands.h(), row_stride, d_h + column, stride, depth, of_h, h_rows());
        }
    }

    void add_projection(const T* d_h, idx d_stride, const T* m, idx m_row_stride, idx depth) const {
        multiply<Order::columns, T>({d_h, d_stride, m, m_row_stride, depth, of_m, m_stride(), of_m, m_stride()}, operands.width,
                                    m_stride() / lanes<T>);
    }

    T x_sum(idx p, idx row, idx column) const { return of_x[(p * x_rows() + row) * panels.widest() + column]; }
    T h_sum(idx p, idx row, idx column) const { return of_h[(p * h_rows() + row) * panels.widest() + column]; }

    T d_weight_ih(idx p, idx column, idx feature) const { return x_sum(p, 1 + feature, column); }
    T d_bias_ih(idx p, idx column) const {
        return Cell::normalises ? of_norms.of_shift[panels.first_column(p) + column] : x_sum(p, 0, column);
    }
    T d_weight_hh(idx p, idx column, idx unit) const {
        return Cell::apart ? h_sum(p, unit, column) : x_sum(p, operands.h() + unit, column);
    }
    T d_bias_hh(idx p, idx column) const {
        return Cell::apart && !Cell::normalises ? h_sum(p, operands.width, column) : d_bias_ih(p, column);
    }

  private:
    void add_panel(idx p, const T* a, idx a_stride, const T* b, idx b_stride, idx depth, T* sums, idx rows) const {
        const idx widest = panels.widest();
        T* c = sums + p * rows * widest;
        multiply<Order::columns, T>({a, a_stride, b, b_stride, depth, c, widest, c, widest}, rows, panels.vectors(p));
    }
};

// One thread's own memory.
template <class T, class Cell>
struct BackwardSpace {
    idx operand_stride, d_stride, hidden_stride, width_stride, d_operand_stride, chunk_rows;
    T* operands;      // (chunk, [1 | x | h | 1])
    T* factors;       // a copy of them, where the products are to have them masked or rounded; else the same
    T* d_sums;        // (chunk, B·H)
    T* d_h_sums;      // the same of h's sums, where they are apart
    T* m;             // projection: (chunk, H)
    T* d_projected;   // projection: (chunk, S)
    T* d_operands;    // (rows, [x | h]): derivatives; h's are carried to the step before
    T* d_x;           // (rows, F), where x's are apart
    T* d_m;           // projection: (rows, H)
    T* d_c;           // (rows, H)
    T* sums;          // for gates computed again
    T* gates_again;   // (rows, gates_width())
    T* c_again;       // (rows, H): c before it was held, too
    T* h_again;       // (rows, H): h before it was held, too
    T* zeros;         // (H)
    T* h_aside;       // (rows, S): where h is held, what goes straight to the step before
    T* c_aside;       // (rows, H): likewise
    T* d_masked;      // (rows, S): where h is masked, but not where it goes straight to the next step
    T **x, **output, **before, **gates, **cells, **cells_before, **d_output, **d_x_at;
    std::size_t bytes;

    BackwardSpace(const Backward& layer, idx rows, Carver carver) {
        const Panels<T> panels{layer.hidden, Cell::gates};
        const bool projects = layer.projects(), again = computes_gates<Cell>(layer);
        chunk_rows = rows_of_chunk(rows);
        // An odd number of cache lines from row to row, so that rows don't fall on each other in the cache.
        operand_stride = odd_lines<T>(Operands{layer.features, layer.width}.size());
        d_stride = odd_lines<T>(panels.all_columns() + panels.widest());
        hidden_stride = round_up(layer.hidden, lanes<T>);
        width_stride = round_up(layer.width, lanes<T>);
        d_operand_stride = round_up(layer.features + layer.width, lanes<T>) + 4 * lanes<T>;
        operands = carver.take<T>(chunk_rows * operand_stride);
        factors = layer.rounds() || layer.masks() ? carver.take<T>(chunk_rows * operand_stride) : operands;
        d_sums = carver.take<T>(chunk_rows * d_stride);
        d_h_sums = Cell::apart ? carver.take<T>(chunk_rows * d_stride) : d_sums;
        m = carver.take<T>(projects ? chunk_rows * hidden_stride : 0);
        d_projected = carver.take<T>(projects ? chunk_rows * width_stride : 0);
        d_operands = carver.take<T>(rows * d_operand_stride);
        d_x = carver.take<T>(Cell::apart ? rows * d_operand_stride : 0);
        d_m = carver.take<T>(projects ? rows * hidden_stride : 0);
        d_c = carver.take<T>(Cell::has_cell ? rows * hidden_stride : 0);
        const idx most = rows > panels.count() ? rows : panels.count();
        sums = carver.take<T>(again ? Gates<T, Cell>::sums_size(panels, rows) : 0);
        gates_again = carver.take<T>(again ? rows * layer.gates_width() : 0);
        c_again = carver.take<T>((again && Cell::has_cell) || layer.c_hold ? rows * hidden_stride : 0);
        h_again = carver.take<T>(again || layer.h_hold ? rows * hidden_stride : 0);
        zeros = carver.take<T>(round_up(layer.hidden, lanes<T>) + lanes<T>);
        h_aside = carver.take<T>(layer.h_hold ? rows * width_stride : 0);
        c_aside = carver.take<T>(layer.c_hold ? rows * hidden_stride : 0);
        d_masked = carver.take<T>(Cell::straight && layer.masks() ? rows * d_operand_stride : 0);
        for (T*** at : {&x, &output, &before, &gates, &cells, &cells_before, &d_output, &d_x_at}) *at = carver.take<T*>(most);
        bytes = carver.used();
    }

  private:
    // Whole steps, and at least one.
    static idx rows_of_chunk(idx rows) { return rows > full_chunk ? rows : full_chunk / (rows > 0 ? rows : 1) * rows; }
};

template <class T, class Cell>
class BackwardBlock {
  public:
    BackwardBlock(const Backward& layer, const BackwardWeights<T, Cell>& weights, const ForwardWeights<T, Cell>& forward,
                  const WeightSums<T, Cell>* sums, Block block, BackwardSpace<T, Cell> space)
        : layer_(layer), weights_(weights), forward_(forward), sums_(sums), block_(block), space_(space),
          parts_{layer.features, layer.width} {}

    void run() {
        clear_row(space_.zeros, layer_.hidden);
        load_state(layer_.d_h_n, block_, layer_.width, d_h(), space_.d_operand_stride);
        if constexpr (Cell::has_cell) load_state(layer_.d_c_n, block_, layer_.hidden, space_.d_c, space_.hidden_stride);
        for (idx s = block_.steps() - 1; s >= 0; --s) step(s);
        flush();
        if (layer_.d_h_0) store_state(layer_.d_h_0, block_, layer_.width, d_h(), space_.d_operand_stride);
        if constexpr (Cell::has_cell)
            if (layer_.d_c_0) store_state(layer_.d_c_0, block_, layer_.hidden, space_.d_c, space_.hidden_stride);
        if (layer_.d_x && layer_.lengths != nullptr) clear_padding<T>(layer_.d_x, block_, layer_.steps, layer_.features);
    }

  private:
    // The derivatives of the gates' sums are used in products alone.
    void round_sums(idx rows) const {
        for (T* sums : {space_.d_sums, space_.d_h_sums}) {
            T* first = sums + filled_ * space_.d_stride;
            copy_rounded(first, first, rows * space_.d_stride);
        }
        if (!layer_.projects()) return;
        T* m = space_.m + filled_ * space_.hidden_stride;
        copy_rounded(m, m, rows * space_.hidden_stride);
    }

    T* d_h() const { return space_.d_operands + weights_.x_columns; }

    void step(idx s) {
        const idx rows = block_.running(s);
        if (filled_ + rows > space_.chunk_rows) flush();
        find(s, rows);
        T* operands = space_.operands + filled_ * space_.operand_stride;
        gather(rows, operands);
        const T* factors = make_factors(rows, operands);
        if (computes_gates<Cell>(layer_)) compute_gates(rows, operands, factors);
        Backwards<T> to = cell_arguments(rows, operands);
        if (layer_.h_hold) set_h_aside(s, rows, to);
        if (layer_.c_hold) set_c_aside(s, rows);
        if (layer_.projects()) unproject(rows, to);
        if constexpr (Cell::normalises) Cell::backward(to);
        for (idx p = 0; !Cell::normalises && p < weights_.panels.count(); ++p) {
            to.units = weights_.panels.units_of(p);
            to.first = weights_.panels.first_unit(p);
            Cell::backward(to);
            to.d_sums += weights_.panels.columns(p);
            to.d_h_sums += weights_.panels.columns(p);
        }
        if (layer_.rounds()) round_sums(rows);
        go_back(rows);
        for (idx r = 0; layer_.h_hold && r < rows; ++r)
            add_row(d_h() + r * space_.d_operand_stride, space_.h_aside + r * space_.width_stride, layer_.width);
        for (idx r = 0; layer_.c_hold && r < rows; ++r)
            add_row(space_.d_c + r * space_.hidden_stride, space_.c_aside + r * space_.hidden_stride, layer_.hidden);
        filled_ += rows;
    }

    // What the products were given.
    const T* make_factors(idx rows, const T* operands) const {
        T* factors = space_.factors + filled_ * space_.operand_stride;
        if (factors == operands) return factors;
        copy_row(factors, operands, rows * space_.operand_stride);
        for (idx r = 0; layer_.masks() && r < rows; ++r)
            multiply_row(factors + r * space_.operand_stride + parts_.h(), mask_of<T>(layer_, block_, r), layer_.width);
        if (layer_.rounds()) copy_rounded(factors, factors, rows * space_.operand_stride);
        return factors;
    }

    // Of all that comes to h, part goes to the step before by itself; the cell is told of the rest.
    void set_h_aside(idx s, idx rows, Backwards<T>& to) const {
        for (idx r = 0; r < rows; ++r) {
            T* d = d_h() + r * space_.d_operand_stride;
            if (to.d_output != nullptr) add_row(d, space_.d_output[r], layer_.width);
            set_aside_row(d, space_.h_aside + r * space_.width_stride, held(layer_.h_hold, block_, r, s), layer_.width);
            if (Cell::saved == 0) release_h(r, to);
        }
        to.d_output = nullptr;
    }

    // A cell that keeps nothing but h is shown h as it was before it was held; where a unit stood still it is not asked.
    void release_h(idx r, const Backwards<T>& to) const {
        const T rate = static_cast<T>(layer_.h_hold.rate);
        const T *h = space_.output[r], *before = to.h_before + r * to.before_stride;
        T* released = space_.h_again + r * space_.hidden_stride;
        for (idx j = 0; j < layer_.hidden; ++j) {
            const T kept = rate * before[j];
            released[j] = h[j] == kept ? T(0) : (h[j] - kept) / (T(1) - rate);  // 0 exactly, which ReLU's derivative asks for
        }
        space_.output[r] = released;
    }

    // Likewise; and the cell is shown c as it was before it was held.
    void set_c_aside(idx s, idx rows) const {
        const idx hidden = layer_.hidden;
        for (idx r = 0; r < rows; ++r) {
            const idx at = r * space_.hidden_stride;
            set_aside_row(space_.d_c + at, space_.c_aside + at, held(layer_.c_hold, block_, r, s), hidden);
            if (Cell::normalises) continue;  // this one finds its c by itself
            const T *gates = space_.gates[r], *before = space_.cells_before[r];
            T* c = space_.c_again + at;
            for (idx j = 0; j < hidden; ++j) c[j] = gates[hidden + j] * before[j] + gates[j] * gates[2 * hidden + j];
            space_.cells[r] = c;
        }
    }

    // Where each row's arrays are, at this step and at the one before.
    void find(idx s, idx rows) {
        block_.addresses(layer_.x, s, rows, space_.x);
        block_.addresses(layer_.output, s, rows, space_.output);
        block_.addresses(layer_.gates, s, rows, space_.gates);
        block_.addresses(layer_.cells, s, rows, space_.cells);
        block_.addresses(layer_.d_output, s, rows, space_.d_output);
        block_.addresses(layer_.d_x, s, rows, space_.d_x_at);
        if (s > 0) {
            block_.addresses(layer_.output, s - 1, rows, space_.before);
            block_.addresses(layer_.cells, s - 1, rows, space_.cells_before);
            return;
        }
        first_states(layer_.h_0, layer_.width, rows, space_.before);
        if (Cell::has_cell) first_states(layer_.c_0, layer_.hidden, rows, space_.cells_before);
    }

    void first_states(const void* state, idx width, idx rows, T** at) const {
        T* first = static_cast<T*>(const_cast<void*>(state));
        for (idx r = 0; r < rows; ++r) at[r] = first == nullptr ? space_.zeros : first + block_.sequence[r] * width;
    }

    void gather(idx rows, T* operands) const {
        for (idx r = 0; r < rows; ++r) {
            T* row = operands + r * space_.operand_stride;
            row[0] = T(1);
            copy_row(row + parts_.x(), space_.x[r], layer_.features);
            copy_row(row + parts_.h(), space_.before[r], layer_.width);
            row[parts_.size() - 1] = T(1);
        }
    }

    void compute_gates(idx rows, const T* operands, const T* factors) {
        Forwards<T> to{};
        to.rows = rows;
        to.hidden = layer_.hidden;
        to.h_before = operands + parts_.h();
        to.h = space_.h_again;
        to.h_stride = space_.hidden_stride;
        to.before_stride = space_.operand_stride;
        to.c = space_.c_again;
        to.c_stride = space_.hidden_stride;
        for (idx r = 0; r < rows; ++r) space_.gates[r] = space_.gates_again + r * layer_.gates_width();
        to.gates = space_.gates;
        to.peephole = static_cast<const T*>(layer_.peephole);
        if constexpr (Cell::has_cell)
            for (idx r = 0; r < rows; ++r) copy_row(space_.c_again + r * space_.hidden_stride, space_.cells_before[r], layer_.hidden);
        const Gates<T, Cell> gates{layer_, forward_, space_.sums};
        gates.run(factors + parts_.x(), space_.operand_stride, to);
    }

    Backwards<T> cell_arguments(idx rows, const T* operands) const {
        Backwards<T> to{};
        to.rows = rows;
        to.hidden = layer_.hidden;
        to.gates = space_.gates;
        to.cells = space_.cells;
        to.cells_before = space_.cells_before;
        to.d_output = layer_.d_output ? space_.d_output : nullptr;
        to.output = space_.output;
        to.h_before = operands + parts_.h();
        to.before_stride = space_.operand_stride;
        to.d_h = d_h();
        to.d_h_stride = space_.d_operand_stride;
        to.d_c = space_.d_c;
        to.d_c_stride = space_.hidden_stride;
        to.d_sums = space_.d_sums + filled_ * space_.d_stride;
        to.d_h_sums = space_.d_h_sums + filled_ * space_.d_stride;
        to.d_stride = space_.d_stride;
        to.peephole = static_cast<const T*>(layer_.peephole);
        to.d_peephole = sums_ == nullptr ? nullptr : sums_->of_peephole;
        to.norms = &weights_.norms;
        to.d_norms = sums_ == nullptr ? nullptr : &sums_->of_norms;
        return to;
    }

    // From the derivatives of the projection to those of what went in, m = o·tanh(c).
    void unproject(idx rows, Backwards<T>& to) const {
        T* d_projected = space_.d_projected + filled_ * space_.width_stride;
        for (idx r = 0; r < rows; ++r) {
            const T* later = d_h() + r * space_.d_operand_stride;
            for_vectors<T>(layer_.width, [&](idx j, auto part) {
                vec<T> sum = part.load(later + j);
                if (to.d_output != nullptr) sum += part.load(to.d_output[r] + j);
                part.store(d_projected + r * space_.width_stride + j, sum);
            });
        }
        if (layer_.rounds()) copy_rounded(d_projected, d_projected, rows * space_.width_stride);
        weights_.to_m.times({d_projected, space_.width_stride, nullptr, 0, 0, nullptr, 0, space_.d_m, space_.hidden_stride}, rows);
        to.d_output = nullptr;
        to.d_h = space_.d_m;
        to.d_h_stride = space_.hidden_stride;
        to.m = space_.m + filled_ * space_.hidden_stride;
        to.m_stride = space_.hidden_stride;
    }

    // From the derivatives of the gates' sums to those of x and of the step before's h.
    void go_back(idx rows) const {
        const T* d_sums = space_.d_sums + filled_ * space_.d_stride;
        const T* d_h_sums = space_.d_h_sums + filled_ * space_.d_stride;
        const idx stride = space_.d_operand_stride;
        T* d_x = space_.d_operands;
        if constexpr (Cell::apart) {
            const bool aside = Cell::straight && layer_.masks();
            const T* start = Cell::straight && !aside ? d_h() : nullptr;
            T* to = aside ? space_.d_masked : d_h();
            weights_.to_h.times({d_h_sums, space_.d_stride, nullptr, 0, 0, start, stride, to, stride}, rows);
            d_x = space_.d_x;
            if (layer_.d_x) weights_.to_x.times({d_sums, space_.d_stride, nullptr, 0, 0, nullptr, 0, d_x, stride}, rows);
        } else {
            weights_.to_h.times({d_sums, space_.d_stride, nullptr, 0, 0, nullptr, 0, space_.d_operands, stride}, rows);
        }
        if (layer_.masks()) unmask(rows);
        if (!layer_.d_x) return;
        for (idx r = 0; r < rows; ++r) copy_row(space_.d_x_at[r], d_x + r * stride, layer_.features);
    }

    // From the derivative of the masked h to that of h.
    void unmask(idx rows) const {
        for (idx r = 0; r < rows; ++r) {
            T* d = (Cell::straight ? space_.d_masked : d_h()) + r * space_.d_operand_stride;
            multiply_row(d, mask_of<T>(layer_, block_, r), layer_.width);
            if (Cell::straight) add_row(d_h() + r * space_.d_operand_stride, d, layer_.width);
        }
    }

    void flush() {
        if (sums_ != nullptr && filled_ > 0) {
            sums_->add(space_.factors, space_.operand_stride, space_.d_sums, space_.d_h_sums, space_.d_stride, filled_);
            if (layer_.projects())
                sums_->add_projection(space_.d_projected, space_.width_stride, space_.m, space_.hidden_stride, filled_);
        }
        filled_ = 0;
    }

    const Backward& layer_;
    const BackwardWeights<T, Cell>& weights_;
    const ForwardWeights<T, Cell>& forward_;
    const WeightSums<T, Cell>* sums_;
    Block block_;
    BackwardSpace<T, Cell> space_;
    Operands parts_;
    idx filled_ = 0;  // rows of the chunk
};

// What all threads share in one call. Without memory it only counts.
template <class T, class Cell>
struct BackwardShared {
    Carver none;  // where nothing is reserved
    idx threads;
    BackwardWeights<T, Cell> weights;
    ForwardWeights<T, Cell> forward;  // reserved and packed where gates are computed again
    idx sums_size;
    T* sums;  // each thread's own, one after the other
    idx* entries;

    BackwardShared(const Backward& layer, Carver& carver)
        : threads(layer.threads < 1 ? 1 : layer.threads), weights(layer, carver), forward(layer, computes_gates<Cell>(layer) ? carver : none),
          sums_size(layer.d_weight_ih ? WeightSums<T, Cell>::size(layer) : 0) {
        sums = carver.take<T>(threads * sums_size);
        entries = carver.take<idx>(Blocks::entries(layer));
    }

    void pack(const Backward& layer) const {
        const idx tasks = 1 + (computes_gates<Cell>(layer) ? forward.tasks() : 0);
        parallel(layer.threads, tasks, [&](int, idx task) {
            if (task == 0) weights.pack(layer);
            else forward.pack(layer, task - 1);
        });
    }

    WeightSums<T, Cell> sums_of(const Backward& layer, idx thread) const { return {layer, sums + thread * sums_size}; }

    // Add the threads' sums up into the first one's.
    void add_up() const {
        constexpr idx share = 4096;
        parallel(static_cast<int>(threads), (sums_size + share - 1) / share, [&](int, idx k) {
            const idx first = k * share, count = sums_size - first < share ? sums_size - first : share;
            for (idx thread = 1; thread < threads; ++thread) {
                const T* from = sums + thread * sums_size + first;
                for_vectors<T>(count, [&](idx j, auto part) {
                    part.store(sums + first + j, part.load(sums + first + j) + part.load(from + j));
                });
            }
        });
    }

};

// Write one panel's part of each gradient.
template <class T, class Cell>
void write_gradients(const Backward& layer, const WeightSums<T, Cell>& sums, idx p) {
    sums.panels.for_columns(p, [&](idx column, idx row) {
        T* d_ih = static_cast<T*>(layer.d_weight_ih) + row * layer.features;
        T* d_hh = static_cast<T*>(layer.d_weight_hh) + row * layer.width;
        for (idx k = 0; k < layer.features; ++k) d_ih[k] = sums.d_weight_ih(p, column, k);
        for (idx k = 0; k < layer.width; ++k) d_hh[k] = sums.d_weight_hh(p, column, k);
        if (layer.d_bias_ih) static_cast<T*>(layer.d_bias_ih)[row] = sums.d_bias_ih(p, column);
        if (layer.d_bias_hh) static_cast<T*>(layer.d_bias_hh)[row] = sums.d_bias_hh(p, column);
        const idx k = sums.panels.first_column(p) + column;
        if (layer.d_norm_ih) static_cast<T*>(layer.d_norm_ih)[row] = sums.of_norms.of_gain_x[k];
        if (layer.d_norm_hh) static_cast<T*>(layer.d_norm_hh)[row] = sums.of_norms.of_gain_h[k];
    });
}

template <class T, class Cell>
void write_projection(const Backward& layer, const WeightSums<T, Cell>& sums) {
    T* to = static_cast<T*>(layer.d_weight_hr);
    for (idx row = 0; row < layer.width; ++row) copy_row(to + row * layer.hidden, sums.of_m + row * sums.m_stride(), layer.hidden);
}

template <class T, class Cell>
void backward(const Backward& layer) {
    Carver counted;
    BackwardShared<T, Cell>(layer, counted);
    Carver carver(workspace(Slot::shared, counted.used()));
    const BackwardShared<T, Cell> shared(layer, carver);
    const Blocks blocks(layer, backward_rows, shared.entries);
    const bool sums_wanted = shared.sums_size > 0;
    const auto sums = [&](idx thread) { return shared.sums_of(layer, thread); };
    shared.pack(layer);
    if (sums_wanted)
        parallel(layer.threads, shared.threads, [&](int, idx k) { clear_row(shared.sums + k * shared.sums_size, shared.sums_size); });
    const std::size_t bytes = BackwardSpace<T, Cell>(layer, blocks.most_rows(), Carver()).bytes;
    parallel(layer.threads, blocks.count(), [&](int thread, idx k) {
        const BackwardSpace<T, Cell> space(layer, blocks.most_rows(), Carver(workspace(Slot::own, bytes)));
        const WeightSums<T, Cell> own = sums(thread);
        BackwardBlock<T, Cell>(layer, shared.weights, shared.forward, sums_wanted ? &own : nullptr, Block(blocks, k, layer), space).run();
    });
    if (!sums_wanted) return;
    shared.add_up();
    parallel(layer.threads, shared.weights.panels.count(), [&](int, idx p) { write_gradients(layer, sums(0), p); });
    if (layer.projects()) write_projection(layer, sums(0));
    const auto write = [&](void* to, const T* from, idx count) {
        if (to != nullptr) copy_row(static_cast<T*>(to), from, count);
    };
    write(layer.d_peephole, sums(0).of_peephole, 3 * layer.hidden);
    write(layer.d_norm_c, sums(0).of_norms.of_gain_c, layer.hidden);
    write(layer.d_norm_c_bias, sums(0).of_norms.of_shift_c, layer.hidden);
}

}  // namespace unrolled::UNROLLED_ISA
