// The Python module `unrolled.kernels._native`: addresses and sizes in, nothing out. The caller has checked all of it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <memory>
#include <string>

#include "isa.h"
#include "workspace.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using unrolled::idx;
using Address = std::uintptr_t;

void* pointer(Address address) { return reinterpret_cast<void*>(address); }

// What both passes read, in the order of the arguments of `forward` and `backward` below.
struct Sizes {
    int cell, precision;
    idx steps, batch, features, hidden, width;
    bool reverse;
    int threads;
};

// A state's zoneout: see csrc/arguments.h.
struct Held {
    Address data = 0;
    idx time = 0, batch = 0;
    double rate = 0;

    unrolled::Hold hold() const { return {static_cast<const std::uint8_t*>(pointer(data)), time, batch, rate}; }
};

// What most layers do not have.
struct Extras {
    Address peephole = 0, d_peephole = 0, h_mask = 0;
    Address norm_ih = 0, norm_hh = 0, norm_c = 0, norm_c_bias = 0;
    Address d_norm_ih = 0, d_norm_hh = 0, d_norm_c = 0, d_norm_c_bias = 0;
    Held h, c;
};

template <class Pass>
Pass layer(const Sizes& sizes, Address lengths, Address weight_ih, Address weight_hh, Address bias_ih, Address bias_hh,
           Address weight_hr, const unrolled::Steps& x, Address h_0, Address c_0, const Extras& extras) {
    Pass pass{};
    pass.cell = static_cast<unrolled::CellKind>(sizes.cell);
    pass.precision = static_cast<unrolled::Precision>(sizes.precision);
    pass.steps = sizes.steps;
    pass.batch = sizes.batch;
    pass.features = sizes.features;
    pass.hidden = sizes.hidden;
    pass.width = sizes.width;
    pass.reverse = sizes.reverse;
    pass.threads = sizes.threads;
    pass.lengths = static_cast<const std::int64_t*>(pointer(lengths));
    pass.weight_ih = pointer(weight_ih);
    pass.weight_hh = pointer(weight_hh);
    pass.bias_ih = pointer(bias_ih);
    pass.bias_hh = pointer(bias_hh);
    pass.weight_hr = pointer(weight_hr);
    pass.x = x;
    pass.h_0 = pointer(h_0);
    pass.c_0 = pointer(c_0);
    pass.peephole = pointer(extras.peephole);
    pass.norm_ih = pointer(extras.norm_ih);
    pass.norm_hh = pointer(extras.norm_hh);
    pass.norm_c = pointer(extras.norm_c);
    pass.norm_c_bias = pointer(extras.norm_c_bias);
    pass.h_mask = pointer(extras.h_mask);
    pass.h_hold = extras.h.hold();
    pass.c_hold = extras.c.hold();
    return pass;
}

// Time-major and dense: what this package allocates itself.
unrolled::Steps dense(Address address, const Sizes& sizes, idx width) {
    return {pointer(address), sizes.batch * width, width};
}

void forward(int cell, int precision, idx steps, idx batch, idx features, idx hidden, idx width, bool reverse, int threads,
             Address lengths, Address weight_ih, Address weight_hh, Address bias_ih, Address bias_hh, Address weight_hr,
             Address x, idx x_time, idx x_batch, Address h_0, Address c_0, const Extras& extras, Address output, idx output_time,
             idx output_batch, Address h_n, Address c_n, Address gates, Address cells) {
    const Sizes sizes{cell, precision, steps, batch, features, hidden, width, reverse, threads};
    auto pass = layer<unrolled::Forward>(sizes, lengths, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr,
                                         {pointer(x), x_time, x_batch}, h_0, c_0, extras);
    pass.output = {pointer(output), output_time, output_batch};
    pass.h_n = pointer(h_n);
    pass.c_n = pointer(c_n);
    pass.gates = dense(gates, sizes, pass.gates_width());
    pass.cells = dense(cells, sizes, hidden);
    unrolled::chosen_isa().kernels->forward(pass);
}

void backward(int cell, int precision, idx steps, idx batch, idx features, idx hidden, idx width, bool reverse, int threads,
              Address lengths, Address weight_ih, Address weight_hh, Address bias_ih, Address bias_hh, Address weight_hr,
              Address x, idx x_time, idx x_batch, Address h_0, Address c_0, const Extras& extras, Address output, idx output_time,
              idx output_batch, Address gates, Address cells, Address d_output, idx d_output_time, idx d_output_batch,
              Address d_h_n, Address d_c_n, Address d_x, idx d_x_time, idx d_x_batch, Address d_h_0, Address d_c_0,
              Address d_weight_ih, Address d_weight_hh, Address d_bias_ih, Address d_bias_hh, Address d_weight_hr) {
    const Sizes sizes{cell, precision, steps, batch, features, hidden, width, reverse, threads};
    auto pass = layer<unrolled::Backward>(sizes, lengths, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr,
                                          {pointer(x), x_time, x_batch}, h_0, c_0, extras);
    pass.output = {pointer(output), output_time, output_batch};
    pass.gates = dense(gates, sizes, pass.gates_width());
    pass.cells = dense(cells, sizes, hidden);
    pass.d_output = {pointer(d_output), d_output_time, d_output_batch};
    pass.d_h_n = pointer(d_h_n);
    pass.d_c_n = pointer(d_c_n);
    pass.d_x = {pointer(d_x), d_x_time, d_x_batch};
    pass.d_h_0 = pointer(d_h_0);
    pass.d_c_0 = pointer(d_c_0);
    pass.d_weight_ih = pointer(d_weight_ih);
    pass.d_weight_hh = pointer(d_weight_hh);
    pass.d_bias_ih = pointer(d_bias_ih);
    pass.d_bias_hh = pointer(d_bias_hh);
    pass.d_weight_hr = pointer(d_weight_hr);
    pass.d_peephole = pointer(extras.d_peephole);
    pass.d_norm_ih = pointer(extras.d_norm_ih);
    pass.d_norm_hh = pointer(extras.d_norm_hh);
    pass.d_norm_c = pointer(extras.d_norm_c);
    pass.d_norm_c_bias = pointer(extras.d_norm_c_bias);
    unrolled::chosen_isa().kernels->backward(pass);
}

void draw(Address to, idx count, std::uint64_t seed, double probability, int threads) {
    unrolled::chosen_isa().kernels->draw({static_cast<std::uint8_t*>(pointer(to)), count, seed, probability, threads});
}

// A PyTorch tensor of `count` numbers in lent memory, which goes back when nothing uses the tensor any more.
template <class T>
nb::ndarray<nb::pytorch, T, nb::ndim<1>> lend(std::size_t count) {
    const auto back = [](void* lent) noexcept { unrolled::give_back(lent); };
    std::unique_ptr<void, void (*)(void*) noexcept> memory(unrolled::lend(count * sizeof(T)), back);
    nb::capsule owner(memory.get(), back);
    return nb::ndarray<nb::pytorch, T, nb::ndim<1>>(memory.release(), {count}, owner);
}

nb::tuple compiled(bool supported_alone) {
    nb::list names;
    for (const unrolled::Isa* isa = unrolled::isas; isa->name != nullptr; ++isa)
        if (!supported_alone || isa->supported()) names.append(isa->name);
    return nb::tuple(names);
}

}  // namespace

NB_MODULE(_native, module) {
    nb::class_<Held>(module, "Held", "Zoneout of one state, as csrc/arguments.h's Hold.")
        .def(nb::init<>())
        .def_rw("data", &Held::data)
        .def_rw("time", &Held::time)
        .def_rw("batch", &Held::batch)
        .def_rw("rate", &Held::rate);
    nb::class_<Extras>(module, "Extras", "Addresses of what most layers do not have.")
        .def(nb::init<>())
        .def_rw("peephole", &Extras::peephole)
        .def_rw("d_peephole", &Extras::d_peephole)
        .def_rw("norm_ih", &Extras::norm_ih)
        .def_rw("norm_hh", &Extras::norm_hh)
        .def_rw("norm_c", &Extras::norm_c)
        .def_rw("norm_c_bias", &Extras::norm_c_bias)
        .def_rw("d_norm_ih", &Extras::d_norm_ih)
        .def_rw("d_norm_hh", &Extras::d_norm_hh)
        .def_rw("d_norm_c", &Extras::d_norm_c)
        .def_rw("d_norm_c_bias", &Extras::d_norm_c_bias)
        .def_rw("h_mask", &Extras::h_mask)
        .def_rw("h", &Extras::h)
        .def_rw("c", &Extras::c);
    module.def("forward", &forward, nb::call_guard<nb::gil_scoped_release>(), "Run csrc/arguments.h's Forward.");
    module.def("backward", &backward, nb::call_guard<nb::gil_scoped_release>(), "Run csrc/arguments.h's Backward.");
    module.def("draw", &draw, nb::call_guard<nb::gil_scoped_release>(), "Run csrc/arguments.h's Draw.");
    module.def("lend_float32", &lend<float>, "count"_a, "A tensor in memory that is kept and lent again.");
    module.def("lend_float64", &lend<double>, "count"_a, "A tensor in memory that is kept and lent again.");
    module.def("compiled", [] { return compiled(false); }, "Names of the instruction sets that were compiled.");
    module.def("supported", [] { return compiled(true); }, "Those that this processor has, the fastest first.");
    module.def("isa", [] { return unrolled::chosen_isa().name; }, "The instruction set that runs.");
    module.def("set_isa", &unrolled::choose_isa, "name"_a, "Choose the one that runs; False when it can't.");
    module.def("poison", &unrolled::poison_workspaces, "on"_a, "Fill workspaces with NaN before each use.");
}
