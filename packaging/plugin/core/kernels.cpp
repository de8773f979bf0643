#include "kernels.hpp"

namespace declipper {

extern const Kernels plain_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
#endif

const Kernels* const* runnable_kernels() {
#if defined(__x86_64__)
    static const Kernels* const with_avx2[] = {&plain_kernels, &avx2_kernels, nullptr};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return with_avx2;
#endif
    static const Kernels* const plain[] = {&plain_kernels, nullptr};
    return plain;
}

const Kernels& best_kernels() {
    const Kernels* const* last = runnable_kernels();
    while (last[1]) ++last;
    return **last;
}

}  // namespace declipper
