// The inner loops for x86-64 processors with AVX2 and FMA.
#include "constants.hpp"
#include "kernels.hpp"

namespace declipper {
namespace {

#define VECTOR 32
constexpr int ROWS_AT_ONCE = 6;
#include "kernels_body.hpp"

}  // namespace

extern const Kernels avx2_kernels;
const Kernels avx2_kernels = {"AVX2", rows, dot, factor, solve, fourier_of_floats, fourier_of_doubles, powers, shrink};

}  // namespace declipper
