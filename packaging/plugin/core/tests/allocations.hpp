// Counts the calls of malloc and its family; to be included once in a program. For glibc, which keeps the real ones under other names.
// The executable's definitions go before those of the C library, for what it loads as well.
#pragma once

#include <cstddef>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

static long allocations = 0;

void* malloc(std::size_t size) noexcept { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) noexcept { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* block, std::size_t size) noexcept { return ++allocations, __libc_realloc(block, size); }
void* memalign(std::size_t alignment, std::size_t size) noexcept { return ++allocations, __libc_memalign(alignment, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return ++allocations, __libc_memalign(alignment, size); }
int posix_memalign(void** to, std::size_t alignment, std::size_t size) noexcept {
    return ++allocations, (*to = __libc_memalign(alignment, size)) ? 0 : 12;
}
void free(void* block) noexcept { ++allocations, __libc_free(block); }
}
