// Counts denormal numbers as zero while it lives: they are inaudible, and a hundred times slower.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace declipper {

class FlushDenormals {
public:
    FlushDenormals() : before_(read()) { write(before_ | bits_); }
    ~FlushDenormals() { write(before_); }
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;

private:
#if defined(__SSE2__)
    using Word = unsigned;
    static constexpr Word bits_ = 0x8040;
    static Word read() { return _mm_getcsr(); }
    static void write(Word word) { _mm_setcsr(word); }
#elif defined(__aarch64__)
    using Word = std::uint64_t;
    static constexpr Word bits_ = Word{1} << 24;
    static Word read() {
        Word word;
        asm volatile("mrs %0, fpcr" : "=r"(word));
        return word;
    }
    static void write(Word word) { asm volatile("msr fpcr, %0" : : "r"(word)); }
#else
    using Word = unsigned;
    static constexpr Word bits_ = 0;
    static Word read() { return 0; }
    static void write(Word) {}
#endif
    Word before_;
};

}  // namespace declipper
