// The passes for every cell and number type, compiled once for each instruction set.
#include "backward.h"
#include "draw.h"
#include "isa.h"

namespace unrolled::UNROLLED_ISA {
namespace {

template <class T, template <class, class> class Pass, class Arguments>
void for_cell(const Arguments& layer) {
    switch (layer.cell) {
        case CellKind::lstm:
            if (layer.normalises()) return layer.peephole ? Pass<T, NormLstm<T, true>>::run(layer) : Pass<T, NormLstm<T>>::run(layer);
            if (layer.peephole != nullptr) return Pass<T, Lstm<T, true>>::run(layer);
            return Pass<T, Lstm<T>>::run(layer);
        case CellKind::gru: return Pass<T, Gru<T>>::run(layer);
        case CellKind::rnn_tanh: return Pass<T, Rnn<T, false>>::run(layer);
        case CellKind::rnn_relu: return Pass<T, Rnn<T, true>>::run(layer);
    }
}

template <template <class, class> class Pass, class Arguments>
void for_precision(const Arguments& layer) {
    if (layer.precision == Precision::float64) for_cell<double, Pass>(layer);
    else for_cell<float, Pass>(layer);
}

template <class T, class Cell>
struct ForwardPass {
    static void run(const Forward& layer) { forward<T, Cell>(layer); }
};

template <class T, class Cell>
struct BackwardPass {
    static void run(const Backward& layer) { backward<T, Cell>(layer); }
};

}  // namespace

extern const Kernels kernels;
const Kernels kernels{[](const Forward& layer) { for_precision<ForwardPass>(layer); },
                      [](const Backward& layer) { for_precision<BackwardPass>(layer); }, [](const Draw& bytes) { draw(bytes); }};

}  // namespace unrolled::UNROLLED_ISA
