// The discrete Fourier transform of complex signals, in passes that can be spread over time. One length, a power of two.
//
// A signal is taken for as many interleaved ones as a vector has lanes: their transforms are worked out side by side, without shuffling
// (Stockham, radix 4), and the last pass joins them.
#pragma once

#include <vector>

#include "kernels.hpp"
#include "sine.hpp"

namespace declipper {

template <class Real>
struct ComplexSignal {
    explicit ComplexSignal(int frames) : re(frames), im(frames) {}
    std::vector<Real> re, im;
};

template <class Real>
class Fourier {
public:
    Fourier(const Kernels& kernels, int size)
        : kernels_(kernels.fourier<Real>()), size_(size), length_(size / kernels_.lanes), first_(2 * size), second_(2 * size) {
        for (int k = 0; k < length_; ++k) turns_.push_back(k, length_);
        for (int k = 0; k < length_; ++k)
            for (int lane = 0; lane < kernels_.lanes; ++lane) across_.push_back(lane * k, size);
        for (int stride = 1; stride < length_; stride *= 4) strides_.push_back(stride);
    }

    int size() const { return size_; }
    int passes() const { return static_cast<int>(strides_.size()) + 1; }
    // Of a pass, in multiplications.
    double cost() const { return 4.0 * size_ * (sizeof(Real) / sizeof(float)); }

    // Passes begin..end of the transform of `in`, which stays, to `out`.
    void forward(const ComplexSignal<Real>& in, ComplexSignal<Real>& out, int begin, int end) {
        for (int pass = begin; pass < end; ++pass) run(in.re.data(), in.im.data(), out.re.data(), out.im.data(), pass);
    }
    // Back again, but for a factor of `size`: with both parts exchanged it is the same transform.
    void backward(const ComplexSignal<Real>& in, ComplexSignal<Real>& out, int begin, int end) {
        for (int pass = begin; pass < end; ++pass) run(in.im.data(), in.re.data(), out.im.data(), out.re.data(), pass);
    }

private:
    struct Turns {
        std::vector<Real> cosines, sines;

        void push_back(long k, long n) {
            cosines.push_back(static_cast<Real>(turn(4 * k + n, n)));
            sines.push_back(static_cast<Real>(-turn(4 * k, n)));
        }
        // sin(2 pi quarters / 4 n)
        static double turn(long quarters, long n) {
            const double share = static_cast<double>(quarters % (4 * n)) / static_cast<double>(2 * n);
            return share < 1 ? sine(share) : -sine(share - 1);
        }
    };

    // Between passes both parts of a number lie beside each other: the numbers that a pass brings together are so far apart that all of
    // them have to share a few places of the cache.
    void run(const Real* re, const Real* im, Real* to_re, Real* to_im, int pass) {
        std::vector<Real>&from = pass % 2 ? first_ : second_, &to = pass % 2 ? second_ : first_;
        const int lanes = kernels_.lanes;
        if (pass > 0) re = from.data(), im = from.data() + lanes;
        if (pass + 1 == passes())
            return kernels_.across({re, im, 2, to_re, to_im, 1, length_, 1, across_.cosines.data(), across_.sines.data()});
        const int stride = strides_[pass];
        const auto radix = length_ / stride >= 4 ? kernels_.quarters : kernels_.halves;
        radix({re, im, pass ? 2 : 1, to.data(), to.data() + lanes, 2, length_, stride, turns_.cosines.data(), turns_.sines.data()});
    }

    const FourierKernels<Real>& kernels_;
    const int size_, length_;  // of the transform, and of that in each lane
    Turns turns_, across_;
    std::vector<int> strides_;  // of the passes within the lanes
    std::vector<Real> first_, second_;
};

}  // namespace declipper
