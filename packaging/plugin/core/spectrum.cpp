#include "spectrum.hpp"

#include <algorithm>
#include <cmath>

#include "constants.hpp"

namespace declipper {
namespace {

using namespace social;

}  // namespace

Spectrum::Spectrum(const Kernels& kernels, int window, int most)
    : kernels_(kernels), window_(window), hop_(window / 2), fourier_(kernels, window), scratch_(4 * window), back_(window) {
    for (int t = 0; t < window; ++t) {
        fade_.push_back(static_cast<float>(sine((t + 0.5) / window)));
        fade_sum_ += fade_.back();
    }
    const int frames = (most + hop_ - 1) / hop_ + 1;
    share_.resize(frames + 2);
    level_.resize(frames + 1);
    power_.resize(static_cast<std::size_t>(frames + 3) * bins());
    for (int pair = 0; 2 * pair < frames; ++pair) {
        signals_.emplace_back(window);
        spectra_.emplace_back(window);
    }
}

// Frame k of the spectrum begins hop_ * (k - 1) frames after the first new sample; so the new ones lie in the second half of frame 0, and
// row k + 1 of the powers is that of frame k. Row 0 is the frame before it, and the last one is zeros.
void Spectrum::begin(const float* samples, const float* clipped) {
    for (int k = 0; k < 2 * pairs(); ++k) {
        float* to = part(k);
        std::fill_n(to, window_, 0.0f);
        float share = 0;
        for (int t = 0; t < window_ && hop_ * (k - 1) + t < length_ && k < frames_; ++t) {
            const int at = hop_ * (k - 1) + t;
            to[t] = samples[at] * fade_[t];
            if (at >= 0) share += clipped[at] * fade_[t];
        }
        if (k < frames_) share_[k + 1] = share / fade_sum_;
    }
    share_[0] = share_[frames_ + 1] = 0;
    for (int k = 0; k < frames_; ++k) {
        const float share = (share_[k] + share_[k + 1] + share_[k + 2]) / 3;
        // a sine of amplitude a has a bin of a window / pi; the sum of so many bins and frames is compared with it
        const float ratio = share / std::max(1 - share, static_cast<float>(LEAST_RELIABLE));
        level_[k] = ratio * static_cast<float>(window_ / M_PI * std::sqrt(NEIGHBOURS));
    }
    for (int t = 0; t < window_; ++t) {
        back_.re[t] = samples[t - window_] * fade_[t];
        back_.im[t] = 0;
    }
    std::fill_n(power(frames_ + 1), bins(), 0.0f);
}

void Spectrum::schedule_past(Schedule& schedule, int frames) {
    length_ = frames;
    frames_ = (length_ + hop_ - 1) / hop_ + 1;
    schedule.add<&Spectrum::past>(*this, 0, fourier_.passes() + 1, fourier_.cost());
}

void Spectrum::past(int begin, int end) {
    fourier_.forward(back_, spectra_[0], begin, std::min(end, fourier_.passes()));
    if (end > fourier_.passes()) kernels_.powers(spectra_[0].re.data(), spectra_[0].im.data(), window_, power(0), scratch_.data());
}

void Spectrum::schedule(Schedule& schedule, const float* values, float* found) {
    values_ = values;
    found_ = found;
    const int steps = pairs() * (fourier_.passes() + 1);
    schedule.add<&Spectrum::fill>(*this, 0, 1, 5.0 * length_);
    schedule.add<&Spectrum::forward>(*this, 0, steps, fourier_.cost());
    for (int pair = 0; pair < pairs(); ++pair) {
        schedule.add<&Spectrum::shrink>(*this, pair, pair + 1, 12.0 * window_);
        schedule.add<&Spectrum::backward>(*this, 0, fourier_.passes(), fourier_.cost());
        schedule.add<&Spectrum::gather>(*this, pair, pair + 1, 2.0 * window_);
    }
}

void Spectrum::fill(int, int) {
    for (int k = 0; k < frames_; ++k) {
        float* to = part(k);
        const int before = hop_ * (k - 1), end = std::min(window_, length_ - before);
        for (int t = k == 0 ? hop_ : 0; t < end; ++t) to[t] = values_[before + t] * fade_[t];
    }
    std::fill_n(found_, length_, 0.0f);
}

// The passes of each pair's transform, and one step more for its powers.
void Spectrum::forward(int begin, int end) {
    const int steps = fourier_.passes() + 1;
    for (int step = begin; step < end; ++step) {
        const int pair = step / steps, pass = step % steps;
        ComplexSignal<float>& spectrum = spectra_[pair];
        if (pass < fourier_.passes()) fourier_.forward(signals_[pair], spectrum, pass, pass + 1);
        else {
            // of a pair without a second frame, the powers of that are zeros, as those of the row after the last one are to be
            kernels_.powers(spectrum.re.data(), spectrum.im.data(), window_, power(2 * pair + 1), power(2 * pair + 2));
        }
    }
}

void Spectrum::shrink(int pair, int) {
    const int first = 2 * pair;
    Shrinkage s = {spectra_[pair].re.data(), spectra_[pair].im.data(), window_, {}, {}, scratch_.data()};
    for (int i = 0; i < 2; ++i) {
        const int frame = std::min(first + i, frames_ - 1);
        for (int row = 0; row < 3; ++row) s.powers[i][row] = power(frame + row);
        s.least[i] = level_[frame] * amplitude_ * level_[frame] * amplitude_;
    }
    kernels_.shrink(s);
    pair_ = pair;
}

void Spectrum::backward(int begin, int end) { fourier_.backward(spectra_[pair_], back_, begin, end); }

// Each sample lies in two frames, whose fades have squares that add to 1.
void Spectrum::gather(int pair, int) {
    const float scale = 1 / static_cast<float>(window_);
    for (int k = 2 * pair; k < std::min(2 * pair + 2, frames_); ++k) {
        const float* from = (k % 2 ? back_.im : back_.re).data();
        const int before = hop_ * (k - 1), end = std::min(window_, length_ - before);
        for (int t = k == 0 ? hop_ : 0; t < end; ++t) found_[before + t] += from[t] * fade_[t] * scale;
    }
}

}  // namespace declipper
