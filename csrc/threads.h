// Work shared among threads: OpenMP's pool where there is one, so that PyTorch's is shared.
#pragma once

#include "arguments.h"

namespace unrolled {

// Call `task(context, thread, index)` for each index below `tasks`, on up to `threads` threads. Each thread takes
// the next index when it is free. Subnormal numbers are flushed to zero meanwhile, as they slow some inputs twentyfold.
// What a task throws is thrown here, when all threads have come to rest; tasks that had not begun are then left undone.
void parallel(int threads, idx tasks, void (*task)(void*, int, idx), void* context);

template <class Task>
void parallel(int threads, idx tasks, Task&& task) {
    auto call = [](void* context, int thread, idx index) { (*static_cast<Task*>(context))(thread, index); };
    parallel(threads, tasks, call, &task);
}

}  // namespace unrolled
