// The inner loops of Fourier transforms and of social sparsity; the rules of kernels_body.hpp hold, which includes this.

template <class Real>
struct Lanes;
template <>
struct Lanes<float> {
    typedef Floats Vector;
    static constexpr int COUNT = FLOATS;
};
template <>
struct Lanes<double> {
    typedef Doubles Vector;
    static constexpr int COUNT = DOUBLES;
};

// One complex number in every lane.
template <class Real>
struct Numbers {
    typename Lanes<Real>::Vector re, im;

    Numbers operator+(Numbers b) const { return {re + b.re, im + b.im}; }
    Numbers operator-(Numbers b) const { return {re - b.re, im - b.im}; }
    // Times -i.
    Numbers turned_right() const { return {im, -re}; }
    template <class Factor>
    Numbers turned(Factor c, Factor s) const {
        return {c * re - s * im, c * im + s * re};
    }
};

// The vectors of a pass.
template <class Real>
struct Reading {
    typedef typename Lanes<Real>::Vector Vector;
    const Vector *re, *im;
    Vector *to_re, *to_im;
    const int apart, to_apart;

    explicit Reading(const FourierPass<Real>& pass)
        : re(reinterpret_cast<const Vector*>(pass.re)),
          im(reinterpret_cast<const Vector*>(pass.im)),
          to_re(reinterpret_cast<Vector*>(pass.to_re)),
          to_im(reinterpret_cast<Vector*>(pass.to_im)),
          apart(pass.apart),
          to_apart(pass.to_apart) {}
    Numbers<Real> get(int i) const { return {re[i * apart], im[i * apart]}; }
    void put(int i, Numbers<Real> value) const { to_re[i * to_apart] = value.re, to_im[i * to_apart] = value.im; }
};

// Stockham's transform, decimated in frequency: radix 4.
template <class Real>
void quarters(const FourierPass<Real>& pass) {
    const Reading<Real> at(pass);
    const int stride = pass.stride, quarter = pass.length / stride / 4;
    for (int p = 0; p < quarter; ++p) {
        const Real *c = pass.cosines, *s = pass.sines;
        const int w = p * stride;
        const Real c1 = c[w], s1 = s[w], c2 = c[2 * w], s2 = s[2 * w], c3 = c[3 * w], s3 = s[3 * w];
        for (int q = 0; q < stride; ++q) {
            const int from = q + stride * p, to = q + 4 * stride * p;
            const auto a = at.get(from), b = at.get(from + stride * quarter);
            const auto c_ = at.get(from + 2 * stride * quarter), d = at.get(from + 3 * stride * quarter);
            const auto ac = a + c_, a_c = a - c_, bd = b + d, b_d = (b - d).turned_right();
            at.put(to, ac + bd);
            at.put(to + stride, (a_c + b_d).turned(c1, s1));
            at.put(to + 2 * stride, (ac - bd).turned(c2, s2));
            at.put(to + 3 * stride, (a_c - b_d).turned(c3, s3));
        }
    }
}

// Its last pass, where the length is no power of 4.
template <class Real>
void halves(const FourierPass<Real>& pass) {
    const Reading<Real> at(pass);
    for (int q = 0; q < pass.stride; ++q) {
        const auto a = at.get(q), b = at.get(q + pass.stride);
        at.put(q, a + b);
        at.put(q + pass.stride, a - b);
    }
}

// One step of making columns of rows: of two vectors, the blocks of 1 << STEP elements in turn; of vectors of 32 bytes, in each half.
template <int STEP, class Vector>
void interleave(Vector& a, Vector& b) {
    constexpr int COUNT = sizeof(Vector) / sizeof(a[0]);
    const Vector x = a, y = b;
    if constexpr (COUNT == 2) {
        a = __builtin_shufflevector(x, y, 0, 2);
        b = __builtin_shufflevector(x, y, 1, 3);
    } else if constexpr (COUNT == 4 && STEP == 1) {
        a = __builtin_shufflevector(x, y, 0, 1, 4, 5);
        b = __builtin_shufflevector(x, y, 2, 3, 6, 7);
    } else if constexpr (COUNT == 4 && sizeof(a[0]) == 8) {
        a = __builtin_shufflevector(x, y, 0, 4, 2, 6);
        b = __builtin_shufflevector(x, y, 1, 5, 3, 7);
    } else if constexpr (COUNT == 4) {
        a = __builtin_shufflevector(x, y, 0, 4, 1, 5);
        b = __builtin_shufflevector(x, y, 2, 6, 3, 7);
    } else if constexpr (STEP == 0) {
        a = __builtin_shufflevector(x, y, 0, 8, 1, 9, 4, 12, 5, 13);
        b = __builtin_shufflevector(x, y, 2, 10, 3, 11, 6, 14, 7, 15);
    } else if constexpr (STEP == 1) {
        a = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
        b = __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
    } else {
        a = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11);
        b = __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

template <int STEP, class Real>
[[gnu::always_inline]] inline void interleave_rows(Numbers<Real>* rows) {
    constexpr int APART = 1 << STEP;
#pragma GCC unroll 8
    for (int i = 0; i < Lanes<Real>::COUNT; ++i)
        if (!(i & APART)) {
            interleave<STEP>(rows[i].re, rows[i + APART].re);
            interleave<STEP>(rows[i].im, rows[i + APART].im);
        }
}

// Rows of a square become its columns.
template <class Real>
void transpose(Numbers<Real>* rows) {
    constexpr int COUNT = Lanes<Real>::COUNT;
    interleave_rows<0>(rows);
    if constexpr (COUNT >= 4) interleave_rows<1>(rows);
    if constexpr (COUNT >= 8) interleave_rows<2>(rows);
    if constexpr (COUNT >= 4 && sizeof(Real) == 4) {
#pragma GCC unroll 2
        for (int i = 1; i < COUNT; i += 4) {
            const Numbers<Real> row = rows[i];
            rows[i] = rows[i + 1];
            rows[i + 1] = row;
        }
    }
}

// The transform of COUNT numbers, APART from each other, lane by lane.
template <int COUNT, int APART = 1, class Real>
[[gnu::always_inline]] inline void joined(Numbers<Real>* x) {
    if constexpr (COUNT == 2) {
        const auto a = x[0], b = x[APART];
        x[0] = a + b;
        x[APART] = a - b;
    } else {
        constexpr Real HALF_ROOT = static_cast<Real>(0.70710678118654752440);
        joined<COUNT / 2, 2 * APART>(x);
        joined<COUNT / 2, 2 * APART>(x + APART);
        Numbers<Real> found[COUNT];
#pragma GCC unroll 8
        for (int k = 0; k < COUNT / 2; ++k) {
            auto odd = x[(2 * k + 1) * APART];
            if (4 * k == COUNT) odd = odd.turned_right();
            else if (k == 1) odd = odd.turned(HALF_ROOT, -HALF_ROOT);
            else if (k == 3) odd = odd.turned(-HALF_ROOT, -HALF_ROOT);
            found[k] = x[2 * k * APART] + odd;
            found[k + COUNT / 2] = x[2 * k * APART] - odd;
        }
#pragma GCC unroll 8
        for (int k = 0; k < COUNT; ++k) x[k * APART] = found[k];
    }
}

// The transform of interleaved signals from the transforms of each, which lie in the lanes.
template <class Real>
void across(const FourierPass<Real>& pass) {
    typedef typename Lanes<Real>::Vector Vector;
    constexpr int COUNT = Lanes<Real>::COUNT;
    const Reading<Real> at(pass);
    const Vector* cosines = reinterpret_cast<const Vector*>(pass.cosines);
    const Vector* sines = reinterpret_cast<const Vector*>(pass.sines);
    for (int k = 0; k < pass.length; k += COUNT) {
        Numbers<Real> numbers[COUNT];
#pragma GCC unroll 8
        for (int i = 0; i < COUNT; ++i) numbers[i] = at.get(k + i).turned(cosines[k + i], sines[k + i]);
        transpose(numbers);
        joined<COUNT>(numbers);
#pragma GCC unroll 8
        for (int i = 0; i < COUNT; ++i) {
            *reinterpret_cast<Vector*>(pass.to_re + i * pass.length + k) = numbers[i].re;
            *reinterpret_cast<Vector*>(pass.to_im + i * pass.length + k) = numbers[i].im;
        }
    }
}

// Two bins of a real signal, the k-th from either end, the second one conjugate: the transform of its even samples, plus and minus the turned
// one of the odd ones.
struct Bins {
    float even_re, even_im, odd_re, odd_im;
};

[[gnu::always_inline]] inline Bins bins_at(const HalfSpectrum& s, int k) {
    const float a = s.re[k], b = s.im[k], c = s.re[s.size - k], d = s.im[s.size - k];
    const float odd_re = 0.5f * (b + d), odd_im = 0.5f * (c - a), cosine = s.cosines[k], sine = s.sines[k];
    return {0.5f * (a + c), 0.5f * (b - d), cosine * odd_re + sine * odd_im, cosine * odd_im - sine * odd_re};
}

void powers(const HalfSpectrum& s, float* __restrict power) {
    const int size = s.size;
    power[0] = (s.re[0] + s.im[0]) * (s.re[0] + s.im[0]);
    power[size] = (s.re[0] - s.im[0]) * (s.re[0] - s.im[0]);
    for (int k = 1; k <= size / 2; ++k) {
        const Bins x = bins_at(s, k);
        const float sum_re = x.even_re + x.odd_re, sum_im = x.even_im + x.odd_im;
        const float apart_re = x.even_re - x.odd_re, apart_im = x.even_im - x.odd_im;
        power[k] = sum_re * sum_re + sum_im * sum_im;
        power[size - k] = apart_re * apart_re + apart_im * apart_im;
    }
}

void gains(const float* const* __restrict rows, float least, int bins, float* __restrict around, float* __restrict gain) {
    constexpr float TINY = 1.17549435e-38f;  // the smallest normal number
    constexpr int SIDE = social::BINS / 2;
    for (int b = 0; b < SIDE; ++b) around[b] = around[bins + SIDE + b] = 0;
    for (int b = 0; b < bins; ++b) around[b + SIDE] = rows[0][b] + rows[1][b] + rows[2][b];
    for (int b = 0; b < bins; ++b) {
        float sum = TINY;
        for (int side = 0; side < social::BINS; ++side) sum += around[b + side];
        const float kept = 1 - least / sum;
        gain[b] = kept > 0 ? kept : 0;
    }
}

void shrink(const Shrinkage& s) {
    const int size = s.spectrum.size;
    float* const __restrict gain = s.scratch;
    gains(s.powers, s.least, size + 1, s.scratch + size + 1, gain);
    float* const __restrict re = s.spectrum.re;
    float* const __restrict im = s.spectrum.im;
    const float first = gain[0] * (re[0] + im[0]), last = gain[size] * (re[0] - im[0]);
    re[0] = 0.5f * (first + last);
    im[0] = 0.5f * (first - last);
    for (int k = 1; k <= size / 2; ++k) {
        const Bins x = bins_at(s.spectrum, k);
        const float mean = 0.5f * (gain[k] + gain[size - k]), apart = 0.5f * (gain[k] - gain[size - k]);
        const float even_re = mean * x.even_re + apart * x.odd_re, even_im = mean * x.even_im + apart * x.odd_im;
        const float turned_re = mean * x.odd_re + apart * x.even_re, turned_im = mean * x.odd_im + apart * x.even_im;
        const float cosine = s.spectrum.cosines[k], sine = s.spectrum.sines[k];
        const float odd_re = cosine * turned_re - sine * turned_im, odd_im = cosine * turned_im + sine * turned_re;
        re[k] = even_re - odd_im;
        im[k] = even_im + odd_re;
        re[size - k] = even_re + odd_im;
        im[size - k] = odd_re - even_im;
    }
}
