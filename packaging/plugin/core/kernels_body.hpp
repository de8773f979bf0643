// The inner loops in terms of VECTOR bytes. Included by one source file for each set of instructions, inside an unnamed namespace.
// Nothing from the standard library may be used here: the linker could keep this copy of an inline function for every caller.

typedef float Floats __attribute__((vector_size(VECTOR), aligned(4), may_alias));
typedef double Doubles __attribute__((vector_size(VECTOR), aligned(8), may_alias));

constexpr int FLOATS = VECTOR / 4;
constexpr int DOUBLES = VECTOR / 8;
constexpr int COLUMNS = BLOCK / FLOATS;
constexpr int STRIPS = STRIP / DOUBLES;
constexpr float SLOPE = network::SLOPE;

// One block of columns of ROWS rows, all sums held in registers.
template <int ROWS>
void tile(const Product& p, const float* in, const float* weights, float* out) {
    Floats sums[ROWS][COLUMNS] = {};
    for (int tap = 0; tap < p.taps; ++tap, in += p.tap_pitch) {
        for (int k = 0; k < p.depth; ++k, weights += BLOCK) {
            const Floats* row = reinterpret_cast<const Floats*>(weights);
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; ++r) {
                const float x = in[r * p.in_pitch + k];
#pragma GCC unroll 16
                for (int c = 0; c < COLUMNS; ++c) sums[r][c] += x * row[c];
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 16
        for (int c = 0; c < COLUMNS; ++c) {
            Floats* target = reinterpret_cast<Floats*>(out + r * p.out_pitch) + c;
            Floats sum = sums[r][c];
            if (p.finish == Finish::add) sum += *target;
            if (p.finish == Finish::rectify) sum = sum > 0 ? sum : SLOPE * sum;
            *target = sum;
        }
    }
}

template <int ROWS>
void tiles(const Product& p, const float* weights, float* out, int begin, int end) {
    for (; begin + ROWS <= end; begin += ROWS) tile<ROWS>(p, p.in + begin * p.in_pitch, weights, out + begin * p.out_pitch);
    if constexpr (ROWS > 1) tiles<ROWS - 1>(p, weights, out, begin, end);
}

void rows(const Product& p, int begin, int end) {
    for (int block = 0; block < p.width / BLOCK; ++block)
        tiles<ROWS_AT_ONCE>(p, p.weights + block * p.taps * p.depth * BLOCK, p.out + block * BLOCK, begin, end);
}

double total(Doubles sums) {
    double all = 0;
    for (int i = 0; i < DOUBLES; ++i) all += sums[i];
    return all;
}

double dot(const double* a, const double* b, int length) {
    constexpr int WIDE = 4;
    Doubles sums[WIDE] = {};
    int t = 0;
    for (; t + WIDE * DOUBLES <= length; t += WIDE * DOUBLES) {
#pragma GCC unroll 8
        for (int w = 0; w < WIDE; ++w) sums[w] += reinterpret_cast<const Doubles*>(a + t)[w] * reinterpret_cast<const Doubles*>(b + t)[w];
    }
    double all = total((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; t < length; ++t) all += a[t] * b[t];
    return all;
}

bool factor(double* band, int pitch, int bandwidth, int begin, int end) {
    for (int i = begin; i < end; ++i) {
        double* column = band + static_cast<long>(i) * pitch;
        for (int strip = 0; strip <= bandwidth; strip += STRIP) {
            Doubles sums[STRIPS];
            Doubles* target = reinterpret_cast<Doubles*>(column + strip);
#pragma GCC unroll 8
            for (int s = 0; s < STRIPS; ++s) sums[s] = target[s];
            const int first = i + strip - bandwidth;
            for (int j = first < 0 ? 0 : first; j < i; ++j) {
                const double* before = band + static_cast<long>(j) * pitch + (i - j);
                const double share = before[0];
#pragma GCC unroll 8
                for (int s = 0; s < STRIPS; ++s) sums[s] -= share * reinterpret_cast<const Doubles*>(before + strip)[s];
            }
#pragma GCC unroll 8
            for (int s = 0; s < STRIPS; ++s) target[s] = sums[s];
        }
        if (!(column[0] > 0)) return false;
        const double scale = 1 / __builtin_sqrt(column[0]);
        for (int k = 0; k <= bandwidth; k += DOUBLES) *reinterpret_cast<Doubles*>(column + k) *= scale;
        column[0] = scale;
    }
    return true;
}

void solve(const double* band, int pitch, int bandwidth, double* x, int begin, int end) {
    constexpr int WIDE = SIDES / DOUBLES, AT_ONCE = 2;
    for (int i = end - 1; i >= begin; --i) {
        const double* column = band + static_cast<long>(i) * pitch;
        Doubles* row = reinterpret_cast<Doubles*>(x + static_cast<long>(i) * SIDES);
        Doubles sums[AT_ONCE][WIDE] = {};
        // one more than there are, for the column goes on with zeros
        for (int k = 1; k <= bandwidth; k += AT_ONCE) {
#pragma GCC unroll 8
            for (int a = 0; a < AT_ONCE; ++a)
#pragma GCC unroll 8
                for (int w = 0; w < WIDE; ++w) sums[a][w] += column[k + a] * row[(k + a) * WIDE + w];
        }
#pragma GCC unroll 8
        for (int w = 0; w < WIDE; ++w) row[w] = (row[w] - (sums[0][w] + sums[1][w])) * column[0];
    }
}

#include "fourier_body.hpp"

constexpr FourierKernels<float> fourier_of_floats = {FLOATS, quarters<float>, halves<float>, across<float>};
constexpr FourierKernels<double> fourier_of_doubles = {DOUBLES, quarters<double>, halves<double>, across<double>};
