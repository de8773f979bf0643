// The short-time spectrum of what is new in a channel, as it moves; `_Spectrum` of declipper/methods/social_sparsity.py. Its frames overlap
// by half of a window, and two of them are transformed at once, one as the real part and one as the imaginary part.
#pragma once

#include <vector>

#include "fourier.hpp"
#include "schedule.hpp"

namespace declipper {

class Spectrum {
public:
    // most: new frames of the signal, at most.
    Spectrum(const Kernels&, int window, int most);

    // Add the work on what does not move in a signal of `frames` new samples. Before it is done comes `begin`.
    void schedule_past(Schedule&, int frames);
    // The new samples, with a window of the past before them, over the level; clipped: 1 where one is, else 0.
    void begin(const float* samples, const float* clipped);

    // Add the work on the new samples `values`, as they are by then: `found` becomes what is left of them when weak bins are weakened.
    void schedule(Schedule&, const float* values, float* found);
    // What bins are compared with from now on, as the amplitude of a sine.
    void set_amplitude(double amplitude) { amplitude_ = static_cast<float>(amplitude); }

private:
    int bins() const { return window_ / 2 + 1; }
    int pairs() const { return (frames_ + 1) / 2; }
    float* power(int row) { return power_.data() + static_cast<std::ptrdiff_t>(row) * bins(); }
    float* part(int frame) { return (frame % 2 ? signals_[frame / 2].im : signals_[frame / 2].re).data(); }

    void fill(int, int);
    void past(int begin, int end);
    void forward(int begin, int end);
    void shrink(int pair, int);
    void backward(int begin, int end);
    void gather(int pair, int);

    const Kernels& kernels_;
    const int window_, hop_;
    Fourier<float> fourier_;
    float fade_sum_ = 0;
    std::vector<float> fade_, share_, level_, power_, scratch_;
    std::vector<ComplexSignal<float>> signals_, spectra_;  // of each pair
    ComplexSignal<float> back_;
    const float* values_ = nullptr;
    float* found_ = nullptr;
    int length_ = 0, frames_ = 0;  // of the new samples, and frames of the spectrum with any of them
    float amplitude_ = 0;
    int pair_ = 0;  // that is transformed back
};

}  // namespace declipper
