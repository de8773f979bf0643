#include "channel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "blend.hpp"
#include "constants.hpp"
#include "sine.hpp"

namespace declipper {

static_assert(framing::HOP + framing::LOOKAHEAD <= 2 * recipe::LEAST_NEW, "the recipe would cut a window into several");

Channel::Channel(const Framing& framing, double sample_rate, const Kernels& kernels, EstimateMixer& mixer)
    : framing_(framing),
      mixer_(mixer),
      tracker_(sample_rate, framing.window(), framing.hop),
      least_new_(at_rate(recipe::LEAST_NEW, sample_rate)),
      newest_(at_rate(recipe::REACH, sample_rate), framing.hop + framing.lookahead),
      social_(kernels, sample_rate, newest_),
      alone_(kernels, {alone::WINDOW, {std::begin(alone::ORDERS), std::end(alone::ORDERS)}, alone::MOST_WORK}, sample_rate, newest_),
      after_(kernels, {after::WINDOW, {std::begin(after::ORDERS), std::end(after::ORDERS)}, after::MOST_WORK}, sample_rate, newest_),
      past_(framing.history() + framing.hop),
      restored_(newest_.reach),
      in_work_(framing.hop),
      finished_(framing.hop),
      positive_(framing.window()),
      negative_(framing.window()),
      tail_(framing.fade),
      first_(framing.window()),
      second_(framing.window()) {
    for (int t = 0; t < framing.fade; ++t) {
        const double root = sine(0.5 * (t + 0.5) / framing.fade);
        ramp_.push_back(root * root);
    }
}

void Channel::reset() {
    tracker_.reset();
    for (auto* samples : {&past_, &restored_, &in_work_, &finished_}) std::fill(samples->begin(), samples->end(), 0.0f);
    for (auto* values : {&tail_, &first_, &second_}) std::fill(values->begin(), values->end(), 0.0);
    needed_ = false;
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
    remember();
    std::copy(past_.begin() + framing_.hop, past_.end(), past_.begin());
    tracker_.levels(positive_.data(), negative_.data(), framing_.window());
}

// What was finished, and the estimates it was made of; where none were needed, it is its own.
void Channel::remember() {
    std::copy(restored_.begin() + framing_.hop, restored_.end(), restored_.begin());
    std::copy(finished_.begin(), finished_.end(), restored_.end() - framing_.hop);
    for (auto* estimate : {&first_, &second_}) {
        if (!needed_) std::copy(finished_.begin(), finished_.end(), estimate->begin() + framing_.context);
        std::copy_n(estimate->begin() + framing_.hop, framing_.context, estimate->begin());
    }
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
    constexpr double PER_FRAME = 50, TO_BEGIN = 300;  // about what a pass over a frame costs, and this function, in multiplications
    clipped_ = 0;
    int in_fade = 0;
    for (int t = framing_.context; t < framing_.reach(); ++t)
        (t < framing_.context + framing_.hop ? clipped_ : in_fade) += is_clipped(sample(t), positive_[t], negative_[t]);
    needed_ = clipped_ + in_fade > 0;
    if (needed_) {
        find_newest();
        schedule.charge(TO_BEGIN * framing_.window());
        const int count = static_cast<int>(newest_.unknown.size());
        spared_ = count < recipe::SPARED * std::max(newest_.frames, least_new_);
        if (count > 0 && !spared_) {
            social_.schedule(schedule);
            schedule.add<&Channel::take_social>(*this, new_, framing_.window(), PER_FRAME);
        }
        if (count > 0) (spared_ ? alone_ : after_).schedule(schedule, first_.data() + new_);
        schedule.add<&Channel::take_interpolated>(*this, 0, count, PER_FRAME);
        if (!spared_) schedule.add<&Channel::draw_together>(*this, 0, count, PER_FRAME);
        schedule.add<&Channel::feed>(*this, 0, framing_.window(), PER_FRAME);
        mixer_.schedule(schedule);
    }
    schedule.add<&Channel::settle>(*this, 0, framing_.hop, PER_FRAME);
    schedule.add<&Channel::keep_tail>(*this, 0, framing_.fade, PER_FRAME);
}

void Channel::pass() {
    clipped_ = 0;
    needed_ = false;
    for (int t = 0; t < framing_.hop; ++t) in_work_[t] = sample(framing_.context + t);
    std::fill(tail_.begin(), tail_.end(), 0.0);
}

// The level that all is divided by, and what is to be restored. Until it is, the estimates of new frames are the frames.
void Channel::find_newest() {
    const auto finite = [](double x) { return std::isfinite(x) ? x : 0.0; };
    scale_ = 0;
    for (int t = 0; t < framing_.window(); ++t) {
        if (std::isfinite(positive_[t])) scale_ = std::max(scale_, positive_[t]);
        if (std::isfinite(negative_[t])) scale_ = std::max(scale_, -negative_[t]);
    }
    new_ = framing_.window();
    newest_.unknown.clear();
    newest_.scale = 0;
    for (int t = framing_.context; t < framing_.window(); ++t) {
        first_[t] = second_[t] = finite(sample(t));
        const bool above = std::isfinite(sample(t)) && is_above(sample(t), positive_[t]);
        const bool below = std::isfinite(sample(t)) && is_below(sample(t), negative_[t]);
        if (above || below) {
            new_ = std::min(new_, t);
            newest_.unknown.push_back(t - new_);
            newest_.scale = std::max(newest_.scale, std::abs(above ? positive_[t] : negative_[t]));
        }
        if (new_ <= t) newest_.levels[t - new_] = above ? positive_[t] : below ? negative_[t] : 0;
    }
    newest_.frames = framing_.window() - new_;
    const int since = new_ - framing_.context;  // frames that are not finished, and reliable
    for (int t = 0; t < newest_.reach - since; ++t) newest_.samples[t] = finite(restored_[t + since]);
    std::copy_n(first_.begin() + framing_.context, since + newest_.frames, newest_.now() - since);
}

// Where interpolation begins; and what it ends with.
void Channel::take_social(int begin, int end) {
    for (int t = begin; t < end; ++t) first_[t] = bounded(t, social_.found(t - new_));
}

void Channel::take_interpolated(int begin, int end) {
    if (begin == 0) apart_ = 0;
    for (int i = begin; i < end; ++i) {
        const int t = new_ + newest_.unknown[i];
        second_[t] = bounded(t, (spared_ ? alone_ : after_).found(i));
        if (spared_) first_[t] = second_[t];
        apart_ += (second_[t] - first_[t]) * (second_[t] - first_[t]);
    }
}

// The less sure estimate is drawn to the other, so that their mean is the one weighted by how sure they are.
void Channel::draw_together(int begin, int end) {
    const double off = apart_ / static_cast<double>(newest_.unknown.size()) + std::numeric_limits<double>::min();
    for (int i = begin; i < end; ++i) {
        const int t = new_ + newest_.unknown[i];
        const double social = first_[t], interpolated = second_[t], apart = interpolated - social;
        const double weight = after_.variance(i) / (off + after_.variance(i));
        first_[t] = interpolated - std::min(2 * weight, 1.0) * apart;
        second_[t] = social + std::min(2 - 2 * weight, 1.0) * apart;
    }
}

// A clipped sample is at least its level in size, and stays as it was where there is no estimate.
double Channel::bounded(int t, double estimate) const {
    const double level = newest_.levels[t - new_];
    if (level == 0) return first_[t];
    if (!std::isfinite(estimate)) return sample(t);
    return level > 0 ? std::max(estimate, level) : std::min(estimate, level);
}

// The mixer's samples, divided by the level so that the whole is homogeneous.
void Channel::feed(int begin, int end) {
    const float scale = static_cast<float>(scale_);
    for (int t = begin; t < end; ++t) {
        const float y = std::isfinite(sample(t)) ? sample(t) : 0.0f;
        const bool clipped = is_clipped(sample(t), positive_[t], negative_[t]);
        mixer_.samples[t] = {clipped ? 0.0f : y / scale, clipped ? y / scale : 0.0f, static_cast<float>(first_[t] / scale_),
                             static_cast<float>(second_[t] / scale_)};
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
