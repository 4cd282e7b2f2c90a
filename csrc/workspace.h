// Scratch memory that is kept between calls, since at large sizes the page faults of fresh memory cost as much as the
// arithmetic.
#pragma once

#include <cstddef>

namespace unrolled {

// Return `bytes` of memory that is this thread's own, aligned to 64 bytes and not cleared. It stays valid until the same
// thread asks for the same `slot` again. Slots: shared by one call's threads, or one thread's own.
enum class Slot : int { shared, own };
void* workspace(Slot slot, std::size_t bytes);

// Lend at least `bytes` of memory, not cleared and aligned to 64 bytes, until it is given back. What is given back is kept for
// the next loan of about that size, up to a limit: a training step then finds the pages of the one before. Any thread.
void* lend(std::size_t bytes);
void give_back(void* memory) noexcept;

// Fill this thread's kept memory, and whatever it is given from now on, with 0xFF bytes (NaN): a test's tool.
void poison_workspaces(bool on);

}  // namespace unrolled
