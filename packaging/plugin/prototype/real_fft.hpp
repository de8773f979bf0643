// The Fourier transform of four real signals at once, one in each lane of a vector: no shuffles, and the same code for SSE2 and NEON.
#pragma once

#include <cmath>
#include <vector>

namespace declipper {

typedef float Lanes __attribute__((vector_size(16)));
constexpr int LANES = 4;

struct Complex {
    Lanes re, im;
};

class RealFft {
public:
    // frames: a power of two, 8 at least.
    explicit RealFft(int frames) : half_(frames / 2), work_(half_), turns_(half_ + 1) {
        for (int k = 0; k <= half_; ++k) turns_[k] = {unit(k, frames, false), unit(k, frames, true)};
    }

    int bins() const { return half_ + 1; }

    // The bins 0 .. frames / 2 of a signal. The signal is overwritten.
    void forward(Lanes* signal, Complex* spectrum) {
        const Complex* z = transform(reinterpret_cast<Complex*>(signal), work_.data(), false);
        for (int k = 0; k <= half_; ++k) {
            const Complex a = z[k % half_], b = z[(half_ - k) % half_];
            const Lanes even_re = 0.5f * (a.re + b.re), even_im = 0.5f * (a.im - b.im);
            const Lanes odd_re = 0.5f * (a.im + b.im), odd_im = 0.5f * (b.re - a.re);
            const auto [c, s] = turns_[k];
            spectrum[k] = {even_re + c * odd_re - s * odd_im, even_im + c * odd_im + s * odd_re};
        }
    }

    // The signal that has these bins. The spectrum is overwritten.
    void backward(Complex* spectrum, Lanes* signal) {
        Complex* z = reinterpret_cast<Complex*>(signal);
        for (int k = 0; k < half_; ++k) {
            const Complex a = spectrum[k], b = spectrum[half_ - k];
            const Lanes even_re = a.re + b.re, even_im = a.im - b.im;
            const Lanes apart_re = a.re - b.re, apart_im = a.im + b.im;
            const auto [c, s] = turns_[k];  // turned back, its conjugate
            const Lanes odd_re = c * apart_re + s * apart_im, odd_im = c * apart_im - s * apart_re;
            z[k] = {even_re - odd_im, even_im + odd_re};
        }
        const Complex* found = transform(z, work_.data(), true);
        const float scale = 1.0f / static_cast<float>(2 * half_);
        for (int t = 0; t < half_; ++t) z[t] = {scale * found[t].re, scale * found[t].im};
    }

private:
    struct Turn {
        float c, s;
    };

    static float unit(int k, int n, bool imaginary) {
        const double angle = -2 * M_PI * k / n;
        return static_cast<float>(imaginary ? std::sin(angle) : std::cos(angle));
    }

    // Stockham's transform with radix 4, and radix 2 at the end: from x to y and back; returns where the result is.
    Complex* transform(Complex* x, Complex* y, bool inverse) {
        const float sign = inverse ? -1.0f : 1.0f;
        int n = half_, stride = 1;
        for (; n >= 4; n /= 4, stride *= 4) {
            const int quarter = n / 4, step = 2 * half_ / n;
            for (int p = 0; p < quarter; ++p) {
                const Turn w1 = turn(p * step, sign), w2 = turn(2 * p * step, sign), w3 = turn(3 * p * step, sign);
                for (int q = 0; q < stride; ++q) {
                    const Complex a = x[q + stride * p], b = x[q + stride * (p + quarter)];
                    const Complex c = x[q + stride * (p + 2 * quarter)], d = x[q + stride * (p + 3 * quarter)];
                    const Lanes ac_re = a.re + c.re, ac_im = a.im + c.im, a_c_re = a.re - c.re, a_c_im = a.im - c.im;
                    const Lanes bd_re = b.re + d.re, bd_im = b.im + d.im;
                    const Lanes jb_d_re = sign * (b.im - d.im), jb_d_im = sign * (d.re - b.re);  // -j (b - d), or j where inverse
                    Complex* out = y + q + 4 * stride * p;
                    out[0] = {ac_re + bd_re, ac_im + bd_im};
                    out[stride] = turned({a_c_re + jb_d_re, a_c_im + jb_d_im}, w1);
                    out[2 * stride] = turned({ac_re - bd_re, ac_im - bd_im}, w2);
                    out[3 * stride] = turned({a_c_re - jb_d_re, a_c_im - jb_d_im}, w3);
                }
            }
            std::swap(x, y);
        }
        if (n == 2) {
            for (int q = 0; q < stride; ++q) {
                const Complex a = x[q], b = x[q + stride];
                y[q] = {a.re + b.re, a.im + b.im};
                y[q + stride] = {a.re - b.re, a.im - b.im};
            }
            std::swap(x, y);
        }
        return x;
    }

    // e^(-2 pi i k / frames), its conjugate where sign is -1.
    Turn turn(int k, float sign) const {
        const Turn found = k <= half_ ? turns_[k] : Turn{turns_[2 * half_ - k].c, -turns_[2 * half_ - k].s};
        return {found.c, sign * found.s};
    }

    static Complex turned(Complex v, Turn w) { return {w.c * v.re - w.s * v.im, w.c * v.im + w.s * v.re}; }

    int half_;
    std::vector<Complex> work_;
    std::vector<Turn> turns_;
};

}  // namespace declipper
