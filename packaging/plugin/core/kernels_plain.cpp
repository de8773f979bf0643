// The inner loops in the instructions that every processor of the target has: SSE2 on x86-64, NEON on 64-bit ARM.
#include "kernels.hpp"

namespace declipper {
namespace {

#define VECTOR 16
#if defined(__aarch64__)
constexpr int ROWS_AT_ONCE = 6;
#else
constexpr int ROWS_AT_ONCE = 3;
#endif
#include "kernels_body.hpp"

}  // namespace

extern const Kernels plain_kernels;
const Kernels plain_kernels = {"plain", rows, lags, dot, factor};

}  // namespace declipper
