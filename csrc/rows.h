// Which sequences run together, and where each of them is at a step.
//
// A block is a set of sequences that one thread runs through all of time, the longest first: at step s those that are
// still going are the block's first rows. Step s of a sequence is its time s, or counted from its last valid step in reverse.
#pragma once

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// Sequences in blocks. Padded batches of full length stay in order, so that a block's rows are neighbours in memory.
class Blocks {
  public:
    static idx entries(const Layer& layer) { return 2 * layer.batch + layer.steps + 2; }

    // `memory` has entries(layer) entries and outlives this.
    Blocks(const Layer& layer, idx most_rows, idx* memory)
        : batch_(layer.batch), sequence_(memory), length_(memory + layer.batch) {
        const idx threads = layer.threads < 1 ? 1 : layer.threads;
        const idx share = (batch_ + threads - 1) / threads;
        count_ = threads * ((share + most_rows - 1) / most_rows);
        if (count_ > batch_) count_ = batch_;
        if (layer.lengths == nullptr) in_order(layer.steps);
        else longest_first(layer, length_ + batch_);
    }

    idx count() const { return count_; }
    idx rows(idx block) const { return first(block + 1) - first(block); }
    idx most_rows() const { return count_ == 0 ? 0 : (batch_ + count_ - 1) / count_; }
    const idx* sequences(idx block) const { return sequence_ + first(block); }
    const idx* lengths(idx block) const { return length_ + first(block); }

  private:
    idx first(idx block) const { return block * (batch_ / count_) + (block < batch_ % count_ ? block : batch_ % count_); }

    void in_order(idx steps) {
        for (idx n = 0; n < batch_; ++n) {
            sequence_[n] = n;
            length_[n] = steps;
        }
    }

    // Deal the sorted sequences out like cards, so that all blocks have about as much to do.
    void longest_first(const Layer& layer, idx* longer) {
        for (idx length = 0; length <= layer.steps + 1; ++length) longer[length] = 0;
        for (idx n = 0; n < batch_; ++n) ++longer[layer.lengths[n]];
        idx sum = 0;  // of the sequences that are longer than `length`: where the first of this length goes
        for (idx length = layer.steps; length >= 0; --length) {
            const idx same = longer[length];
            longer[length] = sum;
            sum += same;
        }
        for (idx n = 0; n < batch_; ++n) {
            const idx place = longer[layer.lengths[n]]++;
            const idx at = first(place % count_) + place / count_;
            sequence_[at] = n;
            length_[at] = layer.lengths[n];
        }
    }

    idx batch_, count_;
    idx* sequence_;
    idx* length_;
};

// One block's rows and where their arrays are at a step.
struct Block {
    idx rows;
    const idx* sequence;
    const idx* length;
    bool reverse;

    Block(const Blocks& blocks, idx k, const Layer& layer)
        : rows(blocks.rows(k)), sequence(blocks.sequences(k)), length(blocks.lengths(k)), reverse(layer.reverse) {}

    idx steps() const { return rows == 0 ? 0 : length[0]; }

    idx running(idx step) const {
        idx n = rows;
        while (n > 0 && length[n - 1] <= step) --n;
        return n;
    }

    idx time(idx row, idx step) const { return reverse ? length[row] - 1 - step : step; }

    // From any row's address at a step to its address at the next.
    idx ahead(const Steps& array) const { return reverse ? -array.time : array.time; }

    template <class T>
    T* at(const Steps& array, idx row, idx step) const {
        return static_cast<T*>(array.data) + time(row, step) * array.time + sequence[row] * array.batch;
    }

    // Addresses of the first `count` rows at a step; all null for an array that is not there.
    template <class T>
    void addresses(const Steps& array, idx step, idx count, T** rows_at) const {
        for (idx r = 0; r < count; ++r) rows_at[r] = array ? at<T>(array, r, step) : nullptr;
    }
};

// Set a (T, N, ·) array to 0 where row r has no valid step.
template <class T>
void clear_padding(const Steps& array, const Block& block, idx steps, idx width) {
    for (idx r = 0; r < block.rows; ++r)
        for (idx t = block.length[r]; t < steps; ++t)
            clear_row(static_cast<T*>(array.data) + t * array.time + block.sequence[r] * array.batch, width);
}

// At least so many elements, that fill an odd number of cache lines: from row to row, so that rows don't fall on each other there.
template <class T>
constexpr idx odd_lines(idx elements) {
    constexpr idx line = 64 / static_cast<idx>(sizeof(T));
    return (round_up(elements, line) / line | 1) * line;
}

// Hands out parts of one workspace, each aligned to a vector. Without memory it only counts.
class Carver {
  public:
    explicit Carver(void* memory = nullptr) : memory_(static_cast<char*>(memory)) {}

    template <class T>
    T* take(idx count) {
        char* here = memory_ == nullptr ? nullptr : memory_ + used_;
        used_ += static_cast<std::size_t>(round_up(count * static_cast<idx>(sizeof(T)), 64));
        return reinterpret_cast<T*>(here);
    }

    std::size_t used() const { return used_; }

  private:
    char* memory_;
    std::size_t used_ = 0;
};

}  // namespace unrolled::UNROLLED_ISA
