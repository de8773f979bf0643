#include "spectrum.hpp"

#include <algorithm>
#include <cmath>

#include "constants.hpp"

namespace declipper {
namespace {

using namespace social;

// The samples of a frame from `first` on, by its window, into the complex numbers that are transformed.
void pack(const float* samples, const float* fade, int first, int end, ComplexSignal<float>& to) {
    float *re = to.re.data(), *im = to.im.data();
    int t = first;
    if (t < end && t % 2) im[t / 2] = samples[t] * fade[t], ++t;
    for (; t + 1 < end; t += 2) {
        re[t / 2] = samples[t] * fade[t];
        im[t / 2] = samples[t + 1] * fade[t + 1];
    }
    if (t < end) re[t / 2] = samples[t] * fade[t];
}

float sum(const std::vector<float>& values) {
    double total = 0;
    for (float value : values) total += value;
    return static_cast<float>(total);
}

}  // namespace

Spectrum::Spectrum(const Kernels& kernels, int window, int most, bool is_short)
    : kernels_(kernels),
      window_(window),
      hop_(window / 2),
      short_(is_short),
      fourier_(kernels, window / 2),
      scratch_(window + 8),
      back_(window / 2) {
    const int fall = window / (is_short ? SHORT_FALL : LONG_FALL), rise = window - fall;
    for (int t = 0; t < window; ++t) {
        fade_.push_back(static_cast<float>(sine((t + 0.5) / window)));
        leaning_.push_back(static_cast<float>(sine(t < rise ? (t + 0.5) / (2 * rise) : (fall + t - rise + 0.5) / (2 * fall))));
    }
    for (int k = 0; k <= window / 4; ++k) {
        cosines_.push_back(static_cast<float>(sine(0.5 + 2.0 * k / window)));
        sines_.push_back(static_cast<float>(sine(2.0 * k / window)));
    }
    const int frames = is_short ? (most + hop_ - 1) / hop_ : 1;
    // what the windows of all frames make of a sample that lies so far before the end
    std::vector<float> weights((frames + 1) * hop_);
    for (int k = 0; k < frames; ++k)
        for (int t = 0; t < window; ++t) {
            const float weight = (k > 0 ? fade_ : leaning_)[t];
            weights[hop_ * k + window - 1 - t] += weight * weight;
        }
    for (int k = 0; k < frames; ++k) {
        back_fades_.emplace_back(k > 0 ? fade_ : leaning_);
        for (int t = 0; t < window; ++t)
            back_fades_.back()[t] /= std::max(weights[hop_ * k + window - 1 - t], static_cast<float>(LEAST_WEIGHT)) * static_cast<float>(hop_);
        signals_.emplace_back(hop_);
        spectra_.emplace_back(hop_);
    }
    share_.resize(frames + 2);
    level_.resize(frames);
    power_.resize(static_cast<std::size_t>(frames + 2) * bins());
}

// Row k + 1 of the powers is that of frame k. Row 0 is the frame before it, and the last one is zeros; of long frames, both are.
void Spectrum::begin(const float* samples, const float* clipped) {
    share_[0] = share_[frames_ + 1] = 0;
    for (int k = 0; k < frames_; ++k) {
        pack(samples + start(k), fade(k).data(), 0, window_, signals_[k]);
        float share = 0;
        for (int t = std::max(0, -start(k)); t < window_; ++t) share += clipped[start(k) + t] * fade(k)[t];
        share_[k + 1] = share / sum(fade(k));
    }
    for (int k = 0; k < frames_; ++k) {
        const float counted = short_ ? (before_end(k) > 0 ? 3.0f : 2.0f) : 1.0f;
        const float share = short_ ? share_[k] + share_[k + 1] + share_[k + 2] : share_[k + 1];
        // a sine of amplitude a has a bin of a / 2 * sum(fade); the sum of so many bins and frames is compared with it
        const float ratio = share / std::max(counted - share, static_cast<float>(LEAST_RELIABLE) * counted);
        level_[k] = ratio * sum(fade(k)) / 2 * std::sqrt(static_cast<float>(BINS) * counted);
    }
    if (short_) pack(samples + start(-1), fade_.data(), 0, window_, back_);
    std::fill_n(power(0), bins(), 0.0f);
    std::fill_n(power(frames_ + 1), bins(), 0.0f);
}

void Spectrum::schedule_past(Schedule& schedule, int frames) {
    length_ = frames;
    frames_ = short_ ? (length_ + hop_ - 1) / hop_ : 1;
    if (short_) schedule.add<&Spectrum::past>(*this, 0, fourier_.passes() + 1, fourier_.cost());
}

void Spectrum::past(int begin, int end) {
    fourier_.forward(back_, spectra_[0], begin, std::min(end, fourier_.passes()));
    if (end > fourier_.passes())
        kernels_.powers({spectra_[0].re.data(), spectra_[0].im.data(), hop_, cosines_.data(), sines_.data()}, power(0));
}

void Spectrum::schedule(Schedule& schedule, const float* values, float* found) {
    values_ = values;
    found_ = found;
    schedule.add<&Spectrum::fill>(*this, 0, 1, 3.0 * length_);
    schedule.add<&Spectrum::forward>(*this, 0, frames_ * (fourier_.passes() + 1), fourier_.cost());
    for (int frame = 0; frame < frames_; ++frame) {
        schedule.add<&Spectrum::shrink>(*this, frame, frame + 1, 8.0 * window_);
        schedule.add<&Spectrum::backward>(*this, 0, fourier_.passes(), fourier_.cost());
        schedule.add<&Spectrum::gather>(*this, frame, frame + 1, 1.0 * window_);
    }
}

void Spectrum::fill(int, int) {
    for (int k = 0; k < frames_; ++k) pack(values_ + start(k), fade(k).data(), std::max(0, -start(k)), window_, signals_[k]);
    std::fill_n(found_, length_, 0.0f);
}

// The passes of each frame's transform, and one step more for its powers.
void Spectrum::forward(int begin, int end) {
    const int steps = fourier_.passes() + 1;
    for (int step = begin; step < end; ++step) {
        const int frame = step / steps, pass = step % steps;
        ComplexSignal<float>& spectrum = spectra_[frame];
        if (pass < fourier_.passes()) fourier_.forward(signals_[frame], spectrum, pass, pass + 1);
        else kernels_.powers({spectrum.re.data(), spectrum.im.data(), hop_, cosines_.data(), sines_.data()}, power(frame + 1));
    }
}

void Spectrum::shrink(int frame, int) {
    const float least = level_[frame] * amplitude_;
    kernels_.shrink({{spectra_[frame].re.data(), spectra_[frame].im.data(), hop_, cosines_.data(), sines_.data()},
                     {power(frame), power(frame + 1), power(frame + 2)},
                     least * least,
                     scratch_.data()});
    frame_ = frame;
}

void Spectrum::backward(int begin, int end) { fourier_.backward(spectra_[frame_], back_, begin, end); }

void Spectrum::gather(int frame, int) {
    const float *re = back_.re.data(), *im = back_.im.data(), *fade = back_fades_[before_end(frame)].data();
    float* to = found_ + start(frame);
    int t = std::max(0, -start(frame));
    if (t % 2) to[t] += im[t / 2] * fade[t], ++t;
    for (; t < window_; t += 2) {
        to[t] += re[t / 2] * fade[t];
        to[t + 1] += im[t / 2] * fade[t + 1];
    }
}

}  // namespace declipper
