// The inner loops, compiled once for every set of instructions and chosen when the program runs.
#pragma once

namespace declipper {

// Columns of weights that are worked on at once; widths are multiples of it.
constexpr int BLOCK = 16;
// Rows of a band matrix that are worked on at once; its columns are padded by as many zeros.
constexpr int STRIP = 16;

enum class Finish { store, rectify, add };

// Matrix product with one row per time step. Row r reads `taps` runs of `depth` floats, at in + r * in_pitch + tap * tap_pitch, and
// gives `width` floats at out + r * out_pitch. weights: [width / BLOCK][taps][depth][BLOCK].
struct Product {
    const float* in;
    int in_pitch, taps, tap_pitch, depth;
    const float* weights;
    int width;
    float* out;
    int out_pitch;
    Finish finish;
};

struct Kernels {
    const char* name;
    // The rows begin..end of a product.
    void (*rows)(const Product&, int begin, int end);
    // found[l] = sum over t < frames of x[t] * x[t + l], for the lags begin..end. x goes on for end frames more.
    void (*lags)(const double* x, int frames, double* found, int begin, int end);
    double (*dot)(const double* a, const double* b, int length);
    // Cholesky factorisation of columns begin..end of a positive definite band matrix, in place, after those before them. Column i
    // holds the elements (i, i) to (i + bandwidth, i) at band + i * pitch, then zeros. On the diagonal stands the inverse of the result.
    // False where the matrix is not positive definite.
    bool (*factor)(double* band, int pitch, int bandwidth, int begin, int end);
};

// The sets of inner loops that this processor can run, the slowest first, then null.
const Kernels* const* runnable_kernels();
const Kernels& best_kernels();

}  // namespace declipper
