// Scratch memory that is kept between calls, since at large sizes the page faults of fresh memory cost as much as the arithmetic.
#pragma once

#include <cstddef>

namespace unrolled {

// Return `bytes` of memory that is this thread's own, aligned to 64 bytes and not cleared. It stays valid until the same
// thread asks for the same `slot` again. Slots: shared by one call's threads, or one thread's own.
enum class Slot : int { shared, own };
void* workspace(Slot slot, std::size_t bytes);

// Fill this thread's kept memory, and whatever it is given from now on, with 0xFF bytes (NaN): a test's tool.
void poison_workspaces(bool on);

}  // namespace unrolled
