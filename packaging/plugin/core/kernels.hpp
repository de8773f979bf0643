// The inner loops, compiled once for every set of instructions and chosen when the program runs.
#pragma once

#include <type_traits>

namespace declipper {

// Columns of weights that are worked on at once; widths are multiples of it.
constexpr int BLOCK = 16;
// Rows of a band matrix that are worked on at once; its columns are padded by as many zeros.
constexpr int STRIP = 16;
// Right sides of a band matrix's equations that are solved at once.
constexpr int SIDES = 8;

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

// One pass of a transform (fourier.hpp) over `length` vectors, each with a number of one of the interleaved transforms in every lane.
// apart: the vectors from one real or imaginary part to the next, of what is read and of what is written. stride: the product of the
// radices of the passes before. cosines, sines: of the turns by which a pass multiplies.
template <class Real>
struct FourierPass {
    const Real *re, *im;
    int apart;
    Real *to_re, *to_im;
    int to_apart;
    int length, stride;
    const Real *cosines, *sines;
};

template <class Real>
struct FourierKernels {
    int lanes;
    // Passes within the lanes, of radix 4 and 2, and the last one, which joins the lanes.
    void (*quarters)(const FourierPass<Real>&);
    void (*halves)(const FourierPass<Real>&);
    void (*across)(const FourierPass<Real>&);
};

// The spectrum (re, im) of `size` complex numbers, of which the real parts are the even samples of a real signal and the imaginary parts its
// odd ones. cosines, sines: of 2 pi k / (2 size), k = 0 .. size / 2.
struct HalfSpectrum {
    float *re, *im;
    int size;
    const float *cosines, *sines;
};

// Each bin of the real signal is to be multiplied by 1 - least / power, or 0 where that is negative; power is the sum over three rows of
// powers and social::BINS bins. scratch: 2 * size + 8 floats.
struct Shrinkage {
    HalfSpectrum spectrum;
    const float* powers[3];
    float least;
    float* scratch;
};

struct Kernels {
    const char* name;
    // The rows begin..end of a product.
    void (*rows)(const Product&, int begin, int end);
    double (*dot)(const double* a, const double* b, int length);
    // Cholesky factorisation of columns begin..end of a positive definite band matrix, in place, after those before them. Column i
    // holds the elements (i, i) to (i + bandwidth, i) at band + i * pitch, then zeros. On the diagonal stands the inverse of the result.
    // False where the matrix is not positive definite.
    bool (*factor)(double* band, int pitch, int bandwidth, int begin, int end);
    // With L such a factor, the rows end-1 .. begin of y in L^T y = x, in place, for SIDES right sides: x[row * SIDES + side].
    void (*solve)(const double* band, int pitch, int bandwidth, double* x, int begin, int end);
    FourierKernels<float> fourier_of_floats;
    FourierKernels<double> fourier_of_doubles;
    // The powers of the bins 0 .. size of the real signal.
    void (*powers)(const HalfSpectrum&, float* power);
    void (*shrink)(const Shrinkage&);

    template <class Real>
    const FourierKernels<Real>& fourier() const {
        if constexpr (std::is_same_v<Real, float>) return fourier_of_floats;
        else return fourier_of_doubles;
    }
};

// The sets of inner loops that this processor can run, the slowest first, then null.
const Kernels* const* runnable_kernels();
const Kernels& best_kernels();

}  // namespace declipper
