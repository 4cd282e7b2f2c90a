// The instruction sets that the kernels were compiled for, and the choice among them.
#pragma once

#include "arguments.h"

namespace unrolled {

struct Kernels {
    void (*forward)(const Forward&);
    void (*backward)(const Backward&);
    void (*draw)(const Draw&);
};

struct Isa {
    const char* name;
    const Kernels* kernels;
    bool (*supported)();
};

// All that were compiled, the fastest first; ends with a null name.
extern const Isa isas[];

// Set which one runs; returns false, and changes nothing, when it is unknown or this processor lacks it.
bool choose_isa(const char* name);

// The one that runs: at first the fastest that this processor has.
const Isa& chosen_isa();

}  // namespace unrolled
