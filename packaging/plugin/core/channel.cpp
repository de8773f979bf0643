#include "channel.hpp"

#include <algorithm>
#include <cmath>

#include "blend.hpp"
#include "sine.hpp"

namespace declipper {

static_assert(framing::CONTEXT + framing::HOP + framing::LOOKAHEAD <= interpolation::LONGEST_WINDOW,
              "the experts would cut a longer window into several");

Channel::Channel(const Framing& framing, double sample_rate, const Kernels& kernels, EstimateMixer& mixer)
    : framing_(framing),
      mixer_(mixer),
      tracker_(sample_rate, framing.window(), framing.hop),
      interpolator_(kernels, framing.window(), sample_rate),
      past_(framing.history() + framing.hop),
      in_work_(framing.hop),
      finished_(framing.hop),
      positive_(framing.window()),
      negative_(framing.window()),
      rough_(framing.window()),
      tail_(framing.fade) {
    for (int t = 0; t < framing.fade; ++t) {
        const double root = sine(0.5 * (t + 0.5) / framing.fade);
        ramp_.push_back(root * root);
    }
}

void Channel::reset() {
    tracker_.reset();
    for (auto* samples : {&past_, &in_work_, &finished_}) std::fill(samples->begin(), samples->end(), 0.0f);
    std::fill(tail_.begin(), tail_.end(), 0.0);
}

void Channel::push(const float* in, int at, int frames) {
    std::copy_n(in, frames, past_.begin() + framing_.history() + at);
    tracker_.push(in, frames);
}

void Channel::delayed(float* out, int at, int frames) const {
    std::copy_n(past_.begin() + framing_.history() - framing_.latency() + at, frames, out);
}

void Channel::restored(float* out, int at, int frames) const { std::copy_n(finished_.begin() + at, frames, out); }

void Channel::cut() {
    std::swap(in_work_, finished_);
    std::copy(past_.begin() + framing_.hop, past_.end(), past_.begin());
    tracker_.levels(positive_.data(), negative_.data(), framing_.window());
}

void Channel::set_levels(double positive, double negative) {
    std::fill(positive_.begin(), positive_.end(), positive);
    std::fill(negative_.begin(), negative_.end(), negative);
}

void Channel::borrow_levels(const Channel& other) {
    for (std::size_t t = 0; t < positive_.size(); ++t) {
        if (positive_[t] == NO_LEVEL) positive_[t] = other.positive_[t];
        if (negative_[t] == -NO_LEVEL) negative_[t] = other.negative_[t];
    }
}

void Channel::schedule(Schedule& schedule) {
    constexpr double PER_FRAME = 150;  // about what a pass over one costs, in multiplications
    clipped_ = 0;
    int in_fade = 0;
    for (int t = framing_.context; t < framing_.reach(); ++t)
        (t < framing_.context + framing_.hop ? clipped_ : in_fade) += is_clipped(sample(t), positive_[t], negative_[t]);
    needed_ = clipped_ + in_fade > 0;
    if (needed_) {
        find_unknown();
        interpolator_.schedule(schedule, 0, interpolation::ROUGH_ROUNDS);
        schedule.add<&Channel::bound>(*this, 0, framing_.window(), PER_FRAME);
        interpolator_.schedule(schedule, interpolation::ROUGH_ROUNDS, Interpolator::ROUNDS);
        schedule.add<&Channel::feed>(*this, 0, framing_.window(), PER_FRAME);
        mixer_.schedule(schedule);
    }
    schedule.add<&Channel::settle>(*this, 0, framing_.hop, PER_FRAME);
    schedule.add<&Channel::keep_tail>(*this, 0, framing_.fade, PER_FRAME);
}

// The level that all is divided by, and what is to be interpolated.
void Channel::find_unknown() {
    scale_ = 0;
    interpolator_.unknown.clear();
    for (int t = 0; t < framing_.window(); ++t) {
        if (std::isfinite(positive_[t])) scale_ = std::max(scale_, positive_[t]);
        if (std::isfinite(negative_[t])) scale_ = std::max(scale_, -negative_[t]);
        const bool number = std::isfinite(sample(t));
        interpolator_.x[t] = number ? sample(t) : 0.0;
        if (number && is_clipped(sample(t), positive_[t], negative_[t])) interpolator_.unknown.push_back(t);
    }
}

// The rough estimate; the rounds after it begin at the levels where they were below them.
void Channel::bound(int begin, int end) {
    for (int t = begin; t < end; ++t) {
        const float y = std::isfinite(sample(t)) ? sample(t) : 0.0f;
        rough_[t] = interpolator_.x[t] = blend(y, interpolator_.x[t], positive_[t], negative_[t]);
    }
}

// The mixer's samples, divided by the level so that the whole is homogeneous.
void Channel::feed(int begin, int end) {
    const float scale = static_cast<float>(scale_);
    for (int t = begin; t < end; ++t) {
        const float y = std::isfinite(sample(t)) ? sample(t) : 0.0f;
        const bool clipped = is_clipped(sample(t), positive_[t], negative_[t]);
        const float fine = blend(y, interpolator_.x[t], positive_[t], negative_[t]);
        mixer_.samples[t] = {clipped ? 0.0f : y / scale, clipped ? y / scale : 0.0f, static_cast<float>(rough_[t] / scale_),
                             static_cast<float>(fine / scale_)};
    }
}

// The finished frames: the tail of the window before fades out over the first of them.
void Channel::settle(int begin, int end) {
    for (int t = begin; t < end; ++t) {
        const int at = framing_.context + t;
        double found = needed_ ? estimate(at) : 0.0;
        if (t < framing_.fade) found = tail_[t] + ramp_[t] * found;
        in_work_[t] = blend(sample(at), found, positive_[at], negative_[at]);
    }
}

void Channel::keep_tail(int begin, int end) {
    for (int t = begin; t < end; ++t) tail_[t] = needed_ ? (1 - ramp_[t]) * estimate(framing_.context + framing_.hop + t) : 0.0;
}

}  // namespace declipper
