// The short-time spectrum of what is new in a channel, as it moves; `_Spectrum` of declipper/methods/newest_sparsity.py. Its frames end
// where the signal does, or any number of half windows before. The transform of one is that of half as many complex numbers, of which the
// real parts are its even samples and the imaginary parts its odd ones.
#pragma once

#include <vector>

#include "fourier.hpp"
#include "schedule.hpp"

namespace declipper {

class Spectrum {
public:
    // most: new frames of the signal, at most. is_short: frames overlap, as many as there are new samples for, and powers are averaged over
    // neighbours; else there is a single one.
    Spectrum(const Kernels&, int window, int most, bool is_short);

    // Add the work on what does not move in a signal of `frames` new samples. Before it is done comes `begin`.
    void schedule_past(Schedule&, int frames);
    // The new samples, with one and a half windows of the past before them, over the level; clipped: 1 where one is, else 0.
    void begin(const float* samples, const float* clipped);

    // Add the work on the new samples `values`, as they are by then: `found` becomes what is left of them when weak bins are weakened.
    void schedule(Schedule&, const float* values, float* found);
    // What bins are compared with from now on, as the amplitude of a sine.
    void set_amplitude(double amplitude) { amplitude_ = static_cast<float>(amplitude); }

private:
    int bins() const { return window_ / 2 + 1; }
    float* power(int row) { return power_.data() + static_cast<std::ptrdiff_t>(row) * bins(); }
    // How many half windows before the end a frame ends, and where it begins, counted from the first new sample.
    int before_end(int frame) const { return frames_ - 1 - frame; }
    int start(int frame) const { return length_ - window_ - hop_ * before_end(frame); }
    const std::vector<float>& fade(int frame) const { return before_end(frame) > 0 ? fade_ : leaning_; }

    void fill(int, int);
    void past(int begin, int end);
    void forward(int begin, int end);
    void shrink(int frame, int);
    void backward(int begin, int end);
    void gather(int frame, int);

    const Kernels& kernels_;
    const int window_, hop_;
    const bool short_;
    Fourier<float> fourier_;
    std::vector<float> fade_, leaning_;             // of the frames before the last one, and of that
    std::vector<std::vector<float>> back_fades_;    // by which they are added up, from the last frame on
    std::vector<float> cosines_, sines_;            // of the turns that join even and odd samples
    std::vector<float> share_, level_, power_, scratch_;
    std::vector<ComplexSignal<float>> signals_, spectra_;  // of each frame
    ComplexSignal<float> back_;
    const float* values_ = nullptr;
    float* found_ = nullptr;
    int length_ = 0, frames_ = 0;  // of the new samples, and frames of the spectrum with any of them
    float amplitude_ = 0;
    int frame_ = 0;  // that is transformed back
};

}  // namespace declipper
