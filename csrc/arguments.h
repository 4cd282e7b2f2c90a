// What the native kernels are told: plain sizes and addresses. No framework, no ownership.
//
// Shapes: T = time, N = batch, F = input features, H = hidden units, S = width of h (H, or the
// projection's size), B = gate blocks of the cell (LSTM 4, GRU 3, RNN 1). All matrices are row-major.
// Every address holds elements of `precision`'s type (float or double). An address may be null only
// where "or null" says so. Nothing that is written may overlap anything else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unrolled {

using idx = std::ptrdiff_t;

enum class CellKind : int { lstm, gru, rnn_tanh, rnn_relu };

// bf16: float in memory; the operands of every matrix product are rounded to bfloat16, the rest is as with float32.
enum class Precision : int { float32, float64, bf16 };

// One array over time and batch: the elements of step t of sequence n are adjacent and start at
// data + t * time + n * batch. The strides count elements and may be of any order or sign.
struct Steps {
    void* data = nullptr;
    idx time = 0;
    idx batch = 0;

    explicit operator bool() const { return data != nullptr; }
};

// Zoneout of one state: where it stays as it was. `data` has a byte for each unit, laid out as Steps are, or is null: then `rate`
// is the share of the old state in the new one, everywhere.
struct Hold {
    const std::uint8_t* data = nullptr;
    idx time = 0;
    idx batch = 0;
    double rate = 0;

    explicit operator bool() const { return data != nullptr || rate != 0; }
};

// What layer normalisation keeps of a step besides 8·H numbers: 4, and zeros up to whole cache lines.
constexpr idx kept_besides = 16;

// One layer in one direction, as both passes read it.
struct Layer {
    CellKind cell;
    Precision precision;
    idx steps, batch, features, hidden, width;  // T, N, F, H, S
    bool reverse;                               // start at each sequence's last valid step
    int threads;
    const std::int64_t* lengths;  // (N), each 0 to T; or null: all T
    const void* weight_ih;        // (B·H, F)
    const void* weight_hh;        // (B·H, S)
    const void* bias_ih;          // (B·H) or null
    const void* bias_hh;          // (B·H) or null
    const void* weight_hr;        // (S, H), LSTM only; or null: no projection, S = H
    Steps x;                      // F wide; padding is never read
    const void* h_0;              // (N, S) or null: zeros
    const void* c_0;              // (N, H), LSTM only; or null: zeros
    const void* peephole;         // (3, H), LSTM only: what i, f and o see of c; or null: nothing
    const void* norm_ih;          // (4·H), LSTM only: gains of layer normalisation; or null: none, like the next three
    const void* norm_hh;          // (4·H)
    const void* norm_c;           // (H)
    const void* norm_c_bias;      // (H): the shift; or null: zeros
    const void* h_mask;           // (N, S): multiplies h wherever it meets weight_hh; or null: no such mask
    Hold h_hold, c_hold;          // S and H wide; c: LSTM only

    bool holds() const { return h_hold || c_hold; }
    bool masks() const { return h_mask != nullptr; }
    bool normalises() const { return norm_ih != nullptr; }
    idx gates_width() const { return normalises() ? 8 * hidden + kept_besides : 4 * hidden; }
    bool projects() const { return weight_hr != nullptr; }
    bool rounds() const { return precision == Precision::bf16; }
};

// Forward. Writes all of `output`, 0 at padding, and the states after each sequence's last valid step.
// `gates` and `cells` are written at valid steps alone: what the backward pass needs of this one.
struct Forward : Layer {
    Steps output;  // S wide
    void* h_n;     // (N, S)
    void* c_n;     // (N, H), LSTM only
    Steps gates;   // gates_width() wide, or null: not wanted. LSTM i, f, g, o; GRU r, z, n and W_hn·h + b_hn; LSTM with layer
                   // normalisation: what csrc/norm.h keeps, in an order that depends on the instruction set
    Steps cells;   // LSTM c, as it was kept: H wide; or null: not wanted
};

// Backward. Reads what the forward pass wrote; LSTM and GRU without `gates` compute them again.
// Each derivative that is null is not computed.
struct Backward : Layer {
    Steps output;         // S wide, as written by the forward pass
    Steps gates;          // gates_width() wide, or null: computed again
    Steps cells;          // H wide, LSTM only
    Steps d_output;       // S wide; or null: zeros. Padding is never read
    const void* d_h_n;    // (N, S) or null: zeros
    const void* d_c_n;    // (N, H), LSTM only; or null: zeros
    Steps d_x;            // F wide; all of it is written, 0 at padding
    void* d_h_0;          // (N, S)
    void* d_c_0;          // (N, H)
    void* d_weight_ih;    // (B·H, F); these six are all wanted or none, but for what the layer lacks
    void* d_weight_hh;    // (B·H, S)
    void* d_bias_ih;      // (B·H)
    void* d_bias_hh;      // (B·H)
    void* d_weight_hr;    // (S, H)
    void* d_peephole;     // (3, H); like the six
    void* d_norm_ih;      // (4·H); like the six, and so are the next three
    void* d_norm_hh;      // (4·H)
    void* d_norm_c;       // (H)
    void* d_norm_c_bias;  // (H)
};

// Zoneout's bytes, for Hold: 1 with `probability`, less than 1, else 0.
struct Draw {
    std::uint8_t* to;
    idx count;
    std::uint64_t seed;
    double probability;
    int threads;
};

}  // namespace unrolled
