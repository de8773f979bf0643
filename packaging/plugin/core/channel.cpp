#include "channel.hpp"

#include <algorithm>
#include <cmath>

#include "blend.hpp"

namespace declipper {

Channel::Channel(const Framing& framing, double sample_rate, const Kernels& kernels, Network& network)
    : framing_(framing),
      network_(network),
      tracker_(sample_rate, framing.window(), framing.hop),
      interpolator_(kernels, framing.window(), sample_rate),
      past_(2 * framing.window()),
      window_(framing.window()),
      in_work_(framing.hop),
      finished_(framing.hop),
      positive_(framing.window()),
      negative_(framing.window()),
      tail_(framing.fade) {
    for (int t = 0; t < framing.fade; ++t) {
        const double root = std::sin(0.5 * M_PI * (t + 0.5) / framing.fade);
        ramp_.push_back(root * root);
    }
}

void Channel::reset() {
    tracker_.reset();
    for (auto* samples : {&past_, &in_work_, &finished_}) std::fill(samples->begin(), samples->end(), 0.0f);
    std::fill(tail_.begin(), tail_.end(), 0.0);
}

void Channel::push(const float* in, std::int64_t seen, int frames) {
    for (int t = 0; t < frames; ++t) past_[(seen + t) % past_.size()] = in[t];
    tracker_.push(in, frames);
}

void Channel::delayed(float* out, std::int64_t seen, int frames) const {
    const std::int64_t from = seen - frames - framing_.latency() + static_cast<std::int64_t>(past_.size());
    for (int t = 0; t < frames; ++t) out[t] = past_[(from + t) % past_.size()];
}

void Channel::finished(float* out, int from, int frames) const { std::copy_n(finished_.begin() + from, frames, out); }

void Channel::cut(std::int64_t seen) {
    std::swap(in_work_, finished_);
    const std::int64_t from = seen + framing_.window();  // a whole ring after the window's first frame
    for (int t = 0; t < framing_.window(); ++t) window_[t] = past_[(from + t) % past_.size()];
    tracker_.levels(positive_.data(), negative_.data(), framing_.window());
}

void Channel::set_levels(double positive, double negative) {
    std::fill(positive_.begin(), positive_.end(), positive);
    std::fill(negative_.begin(), negative_.end(), negative);
}

void Channel::borrow_levels(const Channel& other) {
    for (std::size_t t = 0; t < window_.size(); ++t) {
        if (positive_[t] == NO_LEVEL) positive_[t] = other.positive_[t];
        if (negative_[t] == -NO_LEVEL) negative_[t] = other.negative_[t];
    }
}

void Channel::schedule(Schedule& schedule) {
    constexpr double PER_FRAME = 100;  // of `feed` and `settle`, in multiplications
    clipped_ = 0;
    restored_ = false;
    scale_ = 0;
    interpolator_.unknown.clear();
    for (int t = 0; t < framing_.window(); ++t) {
        const float y = window_[t];
        if (std::isfinite(positive_[t])) scale_ = std::max(scale_, positive_[t]);
        if (std::isfinite(negative_[t])) scale_ = std::max(scale_, -negative_[t]);
        interpolator_.x[t] = std::isfinite(y) ? y : 0.0;
        if (!is_clipped(y, positive_[t], negative_[t])) continue;
        if (std::isfinite(y)) interpolator_.unknown.push_back(t);
        restored_ = restored_ || (t >= framing_.context && t < framing_.reach());
        clipped_ += t >= framing_.context && t < framing_.context + framing_.hop;
    }
    if (restored_) {
        interpolator_.schedule(schedule);
        schedule.add<&Channel::feed>(*this, 0, framing_.window(), PER_FRAME);
        network_.schedule(schedule);
    }
    schedule.add<&Channel::settle>(*this, 0, framing_.hop, PER_FRAME);
    schedule.add<&Channel::keep_tail>(*this, 0, framing_.fade, PER_FRAME);
}

// The network's input, divided by the level so that the whole is homogeneous.
void Channel::feed(int begin, int end) {
    const float scale = static_cast<float>(scale_);
    for (int t = begin; t < end; ++t) {
        const float y = window_[t], safe = std::isfinite(y) ? y : 0.0f;
        const bool clipped = is_clipped(y, positive_[t], negative_[t]);
        float* input = network_.input() + Model::INPUTS * t;
        input[0] = clipped ? 0.0f : safe / scale;
        input[1] = clipped ? safe / scale : 0.0f;
        input[2] = static_cast<float>(blend(safe, interpolator_.x[t], positive_[t], negative_[t]) / scale_);
    }
}

// The finished frames: the tail of the window before fades out over the first of them.
void Channel::settle(int begin, int end) {
    for (int t = begin; t < end; ++t) {
        const int at = framing_.context + t;
        double found = restored_ ? estimate(at) : 0.0;
        if (t < framing_.fade) found = tail_[t] + ramp_[t] * found;
        in_work_[t] = blend(window_[at], found, positive_[at], negative_[at]);
    }
}

void Channel::keep_tail(int begin, int end) {
    for (int t = begin; t < end; ++t) tail_[t] = restored_ ? (1 - ramp_[t]) * estimate(framing_.context + framing_.hop + t) : 0.0;
}

}  // namespace declipper
