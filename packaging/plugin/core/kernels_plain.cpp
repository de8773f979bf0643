// The inner loops in the instructions that every processor of the target has: SSE2 on x86-64, NEON on 64-bit ARM.
#include "constants.hpp"
#include "kernels.hpp"

namespace declipper {
namespace {

#define VECTOR 16
#if defined(__aarch64__)
constexpr int ROWS_AT_ONCE = 6;
constexpr const char* NAME = "NEON";
#else
constexpr int ROWS_AT_ONCE = 3;
constexpr const char* NAME = "SSE2";
#endif
#include "kernels_body.hpp"

}  // namespace

extern const Kernels plain_kernels;
const Kernels plain_kernels = {NAME, rows, dot, factor, solve, fourier_of_floats, fourier_of_doubles, powers, shrink};

}  // namespace declipper
