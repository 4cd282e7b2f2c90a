// Checks the native kernels without Python, against the cells' equations in plain loops: for a processor that has only an
// emulator here. .ci/arm compiles it with csrc/ and runs it; it ends with 1 where anything is wrong.
//
// Shapes: T = time, N = batch, F = input features, H = hidden units, S = width of h, B = gate blocks of the cell.
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "../../csrc/isa.h"
#include "../../csrc/threads.h"
#include "../../csrc/workspace.h"

namespace {

using namespace unrolled;

using Numbers = std::vector<double>;
using Arrays = std::map<std::string, Numbers>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Problem {
    CellKind cell;
    Precision precision;
    idx T, N, F, H, S;
    bool ragged, reverse;
    bool keeps;  // what the backward pass needs, rather than to compute it again
    int threads;
    std::vector<std::int64_t> lengths;
    Arrays inputs;

    idx B() const { return cell == CellKind::lstm ? 4 : cell == CellKind::gru ? 3 : 1; }
    bool lstm() const { return cell == CellKind::lstm; }
    bool projects() const { return S != H; }

    std::string name() const {
        const char* cells[] = {"LSTM", "GRU", "RNN tanh", "RNN relu"};
        const char* precisions[] = {"float32", "float64", "bf16"};
        std::string text = std::string(cells[int(cell)]) + " in " + precisions[int(precision)];
        for (idx size : {T, N, F, H, S}) text += " " + std::to_string(size);
        return text + (ragged ? " ragged" : "") + (reverse ? " reverse" : "") + (keeps ? "" : " again") + " on " +
               std::to_string(threads) + " threads";
    }
};

// --- The inputs ------------------------------------------------------------------------------------------------------

// Uniform within [−1, 1), the same everywhere, and a number that every type has.
double draw() {
    static std::uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return double(state >> 8) / double(1 << 23) - 1;
}

Numbers draw(idx count, double size = 1) {
    Numbers made(count);
    for (double& number : made) number = float(draw() * size);
    return made;
}

void fill(Problem& p) {
    const idx rows = p.B() * p.H;
    const double size = 1 / std::sqrt(double(p.H));
    for (idx n = 0; n < p.N; ++n) p.lengths.push_back(p.ragged ? (n * 5 + p.T) % (p.T + 1) : p.T);
    p.inputs = {{"weight_ih", draw(rows * p.F, size)}, {"weight_hh", draw(rows * p.S, size)},
                {"bias_ih", draw(rows)},               {"bias_hh", draw(rows)},
                {"x", draw(p.T * p.N * p.F)},          {"h_0", draw(p.N * p.S)},
                {"d_output", draw(p.T * p.N * p.S)},   {"d_h_n", draw(p.N * p.S)}};
    if (p.lstm()) p.inputs["c_0"] = draw(p.N * p.H), p.inputs["d_c_n"] = draw(p.N * p.H);
    if (p.projects()) p.inputs["weight_hr"] = draw(p.S * p.H, size);
    for (idx n = 0; n < p.N; ++n)
        for (idx t = p.lengths[n]; t < p.T; ++t) {
            for (idx k = 0; k < p.F; ++k) p.inputs["x"][(t * p.N + n) * p.F + k] = nan;
            for (idx k = 0; k < p.S; ++k) p.inputs["d_output"][(t * p.N + n) * p.S + k] = nan;
        }
}

// --- The equations ---------------------------------------------------------------------------------------------------

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

Numbers row(const Numbers& of, idx number, idx width) {
    return Numbers(of.begin() + number * width, of.begin() + (number + 1) * width);
}

void set_row(Numbers& of, idx number, const Numbers& to) {
    for (std::size_t k = 0; k < to.size(); ++k) of[number * to.size() + k] = to[k];
}

void add(Numbers& to, const Numbers& more) {
    for (std::size_t k = 0; k < to.size(); ++k) to[k] += more[k];
}

Numbers times(const Numbers& matrix, const Numbers& vector) {
    Numbers product(matrix.size() / vector.size());
    for (std::size_t r = 0; r < product.size(); ++r)
        for (std::size_t k = 0; k < vector.size(); ++k) product[r] += matrix[r * vector.size() + k] * vector[k];
    return product;
}

Numbers times_transposed(const Numbers& matrix, const Numbers& vector) {
    Numbers product(matrix.size() / vector.size());
    for (std::size_t r = 0; r < vector.size(); ++r)
        for (std::size_t k = 0; k < product.size(); ++k) product[k] += matrix[r * product.size() + k] * vector[r];
    return product;
}

void add_outer(Numbers& to, const Numbers& left, const Numbers& right) {
    for (std::size_t r = 0; r < left.size(); ++r)
        for (std::size_t k = 0; k < right.size(); ++k) to[r * right.size() + k] += left[r] * right[k];
}

// One step of one sequence: what it started from, and what the way back needs.
struct Step {
    Numbers x, h, c;     // before
    Numbers of_x, of_h;  // sums
    Numbers gates;       // LSTM i, f, g, o; GRU r, z, n; RNN h
    Numbers c_after, m;  // m: before the projection

    Numbers d_of_x, d_of_h;
};

void go(const Problem& p, Step& s) {
    const idx H = p.H;
    s.gates = s.of_x;
    s.c_after = s.c;
    s.m = Numbers(H);
    if (p.cell != CellKind::gru) add(s.gates, s.of_h);
    double* g = s.gates.data();
    for (idx j = 0; j < H; ++j) {
        if (p.lstm()) {
            for (idx gate : {0, 1, 3}) g[gate * H + j] = sigmoid(g[gate * H + j]);
            g[2 * H + j] = std::tanh(g[2 * H + j]);
            s.c_after[j] = g[H + j] * s.c[j] + g[j] * g[2 * H + j];
            s.m[j] = g[3 * H + j] * std::tanh(s.c_after[j]);
        } else if (p.cell == CellKind::gru) {
            for (idx gate : {0, 1}) g[gate * H + j] = sigmoid(g[gate * H + j] + s.of_h[gate * H + j]);
            g[2 * H + j] = std::tanh(g[2 * H + j] + g[j] * s.of_h[2 * H + j]);
            s.m[j] = (1 - g[H + j]) * g[2 * H + j] + g[H + j] * s.h[j];
        } else {
            s.m[j] = g[j] = p.cell == CellKind::rnn_tanh ? std::tanh(g[j]) : g[j] > 0 ? g[j] : 0;
        }
    }
}

// From the derivatives of m and c to those of the sums, of c before, and of what of h goes straight to the h before.
void go_back(const Problem& p, Step& s, const Numbers& d_m, Numbers& d_c, Numbers& d_h_straight) {
    const idx H = p.H;
    const double* g = s.gates.data();
    s.d_of_x = s.d_of_h = Numbers(p.B() * H);
    for (idx j = 0; j < H; ++j) {
        double* d = s.d_of_x.data() + j;
        if (p.lstm()) {
            const double i = g[j], f = g[H + j], n = g[2 * H + j], o = g[3 * H + j], squashed = std::tanh(s.c_after[j]);
            const double d_c_after = d_c[j] + d_m[j] * o * (1 - squashed * squashed);
            d[0] = d_c_after * n * i * (1 - i);
            d[H] = d_c_after * s.c[j] * f * (1 - f);
            d[2 * H] = d_c_after * i * (1 - n * n);
            d[3 * H] = d_m[j] * squashed * o * (1 - o);
            d_c[j] = d_c_after * f;
        } else if (p.cell == CellKind::gru) {
            const double r = g[j], z = g[H + j], n = g[2 * H + j];
            d[2 * H] = d_m[j] * (1 - z) * (1 - n * n);
            d[H] = d_m[j] * (s.h[j] - n) * z * (1 - z);
            d[0] = d[2 * H] * s.of_h[2 * H + j] * r * (1 - r);
            d_h_straight[j] = d_m[j] * z;
        } else {
            d[0] = p.cell == CellKind::rnn_tanh ? d_m[j] * (1 - g[j] * g[j]) : g[j] > 0 ? d_m[j] : 0;
        }
    }
    s.d_of_h = s.d_of_x;
    if (p.cell == CellKind::gru)
        for (idx j = 0; j < H; ++j) s.d_of_h[2 * H + j] *= g[j];
}

class Equations {
  public:
    explicit Equations(const Problem& p) : p_(p), in_(p.inputs) {
        out_ = {{"output", Numbers(p.T * p.N * p.S)}, {"h_n", Numbers(p.N * p.S)}};
        for (const char* name : {"x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"})
            out_["d_" + std::string(name)] = Numbers(in_.at(name).size());
        if (p.lstm()) out_["c_n"] = out_["d_c_0"] = Numbers(p.N * p.H);
        if (p.projects()) out_["d_weight_hr"] = Numbers(p.S * p.H);
        for (idx n = 0; n < p.N; ++n) sequence(n);
    }

    Arrays results() const { return out_; }

  private:
    idx at(idx n, idx s) const { return (p_.reverse ? p_.lengths[n] - 1 - s : s) * p_.N + n; }

    void sequence(idx n) {
        std::vector<Step> steps(p_.lengths[n]);
        Numbers h = row(in_.at("h_0"), n, p_.S), c = p_.lstm() ? row(in_.at("c_0"), n, p_.H) : Numbers();
        for (idx s = 0; s < p_.lengths[n]; ++s) {
            Step& step = steps[s];
            step.x = row(in_.at("x"), at(n, s), p_.F);
            step.h = h;
            step.c = c;
            add(step.of_x = times(in_.at("weight_ih"), step.x), in_.at("bias_ih"));
            add(step.of_h = times(in_.at("weight_hh"), h), in_.at("bias_hh"));
            go(p_, step);
            c = step.c_after;
            h = p_.projects() ? times(in_.at("weight_hr"), step.m) : step.m;
            set_row(out_["output"], at(n, s), h);
        }
        set_row(out_["h_n"], n, h);
        if (p_.lstm()) set_row(out_["c_n"], n, c);
        back(n, steps);
    }

    void back(idx n, std::vector<Step>& steps) {
        Numbers d_h = row(in_.at("d_h_n"), n, p_.S), d_c = p_.lstm() ? row(in_.at("d_c_n"), n, p_.H) : Numbers();
        for (idx s = p_.lengths[n] - 1; s >= 0; --s) {
            Step& step = steps[s];
            add(d_h, row(in_.at("d_output"), at(n, s), p_.S));
            if (p_.projects()) add_outer(out_["d_weight_hr"], d_h, step.m);
            Numbers straight(p_.S);
            go_back(p_, step, p_.projects() ? times_transposed(in_.at("weight_hr"), d_h) : d_h, d_c, straight);
            add_outer(out_["d_weight_ih"], step.d_of_x, step.x);
            add_outer(out_["d_weight_hh"], step.d_of_h, step.h);
            add(out_["d_bias_ih"], step.d_of_x);
            add(out_["d_bias_hh"], step.d_of_h);
            set_row(out_["d_x"], at(n, s), times_transposed(in_.at("weight_ih"), step.d_of_x));
            add(d_h = times_transposed(in_.at("weight_hh"), step.d_of_h), straight);
        }
        set_row(out_["d_h_0"], n, d_h);
        if (p_.lstm()) set_row(out_["d_c_0"], n, d_c);
    }

    const Problem& p_;
    const Arrays& in_;
    Arrays out_;
};

// --- The kernels -----------------------------------------------------------------------------------------------------

template <class T>
class Kernel {
  public:
    Kernel(const Problem& p, const Arrays& results) : p_(p) {
        for (const auto& [name, numbers] : p.inputs) arrays_[name].assign(numbers.begin(), numbers.end());
        for (const auto& [name, numbers] : results) arrays_[name].assign(numbers.size(), T(nan));  // all is to be written
        if (p.lstm()) arrays_["cells"].assign(p.T * p.N * p.H, T(nan));
        if (p.keeps && p.B() > 1) arrays_["gates"].assign(p.T * p.N * 4 * p.H, T(nan));
    }

    void run(const Kernels& kernels) {
        Forward forward{};
        fill(forward);
        forward.output = steps("output", p_.S);
        forward.h_n = array("h_n");
        forward.c_n = array("c_n");
        forward.gates = steps("gates", 4 * p_.H);
        forward.cells = steps("cells", p_.H);
        kernels.forward(forward);
        Backward backward{};
        fill(backward);
        backward.output = forward.output;
        backward.gates = forward.gates;
        backward.cells = forward.cells;
        backward.d_output = steps("d_output", p_.S);
        backward.d_h_n = array("d_h_n");
        backward.d_c_n = array("d_c_n");
        backward.d_x = steps("d_x", p_.F);
        backward.d_h_0 = array("d_h_0");
        backward.d_c_0 = array("d_c_0");
        backward.d_weight_ih = array("d_weight_ih");
        backward.d_weight_hh = array("d_weight_hh");
        backward.d_bias_ih = array("d_bias_ih");
        backward.d_bias_hh = array("d_bias_hh");
        backward.d_weight_hr = array("d_weight_hr");
        kernels.backward(backward);
    }

    const std::vector<T>& found(const std::string& name) const { return arrays_.at(name); }

  private:
    T* array(const std::string& name) { return arrays_.count(name) ? arrays_[name].data() : nullptr; }
    Steps steps(const std::string& name, idx width) { return {array(name), p_.N * width, width}; }

    void fill(Layer& layer) {
        layer.cell = p_.cell;
        layer.precision = p_.precision;
        layer.steps = p_.T;
        layer.batch = p_.N;
        layer.features = p_.F;
        layer.hidden = p_.H;
        layer.width = p_.S;
        layer.reverse = p_.reverse;
        layer.threads = p_.threads;
        layer.lengths = p_.ragged ? p_.lengths.data() : nullptr;
        layer.weight_ih = array("weight_ih");
        layer.weight_hh = array("weight_hh");
        layer.bias_ih = array("bias_ih");
        layer.bias_hh = array("bias_hh");
        layer.weight_hr = array("weight_hr");
        layer.x = steps("x", p_.F);
        layer.h_0 = array("h_0");
        layer.c_0 = array("c_0");
    }

    const Problem& p_;
    std::map<std::string, std::vector<T>> arrays_;
};

// --- The checks ------------------------------------------------------------------------------------------------------

int checks = 0, failures = 0;

void check(bool right, const std::string& what) {
    ++checks;
    if (right) return;
    ++failures;
    std::printf("WRONG: %s\n", what.c_str());
}

// How far off a result may be. The terms of all sums are about 1 or less: their rounding stays where they cancel. bfloat16
// has eight bits, and every product's operands are rounded to it on the way.
double tolerance(Precision precision, double largest) {
    if (precision == Precision::float64) return 1e-12 * largest;
    return (precision == Precision::float32 ? 1e-5 : 0.05) * std::fmax(largest, 1);
}

template <class T>
void compare(const Problem& p, const Isa& isa) {
    const Arrays expected = Equations(p).results();
    Kernel<T> kernel(p, expected);
    kernel.run(*isa.kernels);
    for (const auto& [name, numbers] : expected) {
        double error = 0, largest = 0;
        for (std::size_t k = 0; k < numbers.size(); ++k) {
            const double off = std::abs(kernel.found(name)[k] - numbers[k]);
            if (!(off <= error)) error = off;  // NaN too, which stays
            largest = std::fmax(largest, std::abs(numbers[k]));
        }
        char beside[64];
        std::snprintf(beside, sizeof beside, ": %.3g beside %.3g", error, largest);
        check(error <= tolerance(p.precision, largest), name + " of " + p.name() + " with " + isa.name + beside);
    }
}

void compare(Problem p, const Isa& isa) {
    fill(p);
    if (p.precision == Precision::float64) compare<double>(p, isa);
    else compare<float>(p, isa);
}

// Steps, sequences and threads: one row with weights as they lie; one row; a few; several blocks.
constexpr struct { idx T, N; int threads; } shapes[] = {{2, 1, 1}, {7, 1, 1}, {7, 9, 1}, {2, 130, 2}};

void compare_all(const Isa& isa) {
    for (Precision precision : {Precision::float64, Precision::float32, Precision::bf16})
        for (CellKind cell : {CellKind::lstm, CellKind::gru, CellKind::rnn_tanh, CellKind::rnn_relu})
            for (idx H : {1, 17, 50})
                for (idx S : {H, (H + 1) / 2}) {
                    if (S != H && cell != CellKind::lstm) continue;
                    if (precision == Precision::bf16 && cell == CellKind::rnn_relu) continue;  // its derivative jumps
                    for (const auto& [T, N, threads] : shapes)
                        for (int way = 0; way < 4; ++way)
                            compare({cell, precision, T, N, 3, H, S, way % 2 > 0, way > 1, way % 3 == 0, threads, {}, {}}, isa);
                }
}

bool has_subnormals() {
    volatile float small = 1e-40f, half = 0.5f;
    volatile double smaller = 1e-310;
    return small * half != 0 && smaller * half != 0;
}

void check_subnormals() {
    for (int threads : {1, 2}) {
        std::vector<int> there(64, 1);
        parallel(threads, 64, [&](int, idx k) { there[k] = has_subnormals(); });
        for (int one : there) check(one == 0, "subnormals are flushed on " + std::to_string(threads) + " threads");
        check(has_subnormals(), "subnormals live on after a call on " + std::to_string(threads) + " threads");
    }
}

void check_errors() {
    for (int threads : {1, 2}) {
        bool caught = false;
        try {
            parallel(threads, 64, [](int, idx) { throw std::bad_alloc(); });
        } catch (const std::bad_alloc&) {
            caught = true;
        }
        check(caught, "an error in a task is thrown on " + std::to_string(threads) + " threads");
        check(has_subnormals(), "subnormals live on after an error on " + std::to_string(threads) + " threads");
        std::vector<int> done(64, 0);
        parallel(threads, 64, [&](int, idx k) { ++done[k]; });
        check(done == std::vector<int>(64, 1), "the call after an error does each task once");
    }
}

}  // namespace

int main() {
    poison_workspaces(true);
    check_subnormals();
    check_errors();
    for (const Isa* isa = isas; isa->name != nullptr; ++isa)
        if (isa->supported()) {
            compare_all(*isa);
            std::printf("%s: %d checks so far, %d wrong\n", isa->name, checks, failures);
        }
    return failures > 0;
}
