#include "social_sparsity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "constants.hpp"
#include "framing.hpp"

namespace declipper {
namespace {

using namespace social;

}  // namespace

SocialSparsity::SocialSparsity(const Kernels& kernels, double sample_rate, const Newest& newest)
    : newest_(newest),
      beyond_(at_rate(BEYOND, sample_rate)),
      long_(kernels, at_rate(WINDOW, sample_rate), static_cast<int>(newest.levels.size()) + beyond_, false),
      short_(kernels, at_rate(WINDOW / SHORTER, sample_rate), static_cast<int>(newest.levels.size()) + beyond_, true),
      amplitudes_(std::begin(THRESHOLDS), std::end(THRESHOLDS)),
      past_(at_rate(WINDOW, sample_rate)) {
    const std::size_t most = newest.levels.size() + beyond_;
    samples_.resize(past_ + most);
    for (auto* list : {&clipped_, &least_, &most_, &now_, &before_, &ahead_, &moved_}) list->resize(most);
}

void SocialSparsity::schedule(Schedule& schedule) {
    length_ = newest_.frames + beyond_;
    schedule.add<&SocialSparsity::begin>(*this, 0, 1, 40.0 * (past_ + length_));
    long_.schedule_past(schedule, length_);
    short_.schedule_past(schedule, length_);
    for (int i = 0; i < static_cast<int>(amplitudes_.size()); ++i) {
        schedule.add<&SocialSparsity::lead>(*this, i, i + 1, 4.0 * length_);
        ((i + 1) % SHORT_EVERY == 0 ? short_ : long_).schedule(schedule, ahead_.data(), moved_.data());
        schedule.add<&SocialSparsity::move>(*this, 0, 1, 4.0 * length_);
    }
}

// A reliable sample may be what it is, a clipped one anything beyond its level, and one beyond the end anything.
void SocialSparsity::begin(int, int) {
    constexpr float INFINITE = std::numeric_limits<float>::infinity();
    const double* from = newest_.now() - past_;
    for (int t = 0; t < past_ + newest_.frames; ++t) samples_[t] = static_cast<float>(from[t] / newest_.scale);
    std::fill(samples_.begin() + past_ + newest_.frames, samples_.end(), 0.0f);
    for (int t = 0; t < length_; ++t) {
        const double level = t < newest_.frames ? newest_.levels[t] : 0;
        const float bound = static_cast<float>(level / newest_.scale);
        const bool known = t < newest_.frames && level == 0;
        now_[t] = before_[t] = samples_[past_ + t];
        clipped_[t] = level != 0;
        least_[t] = known ? now_[t] : level > 0 ? bound : -INFINITE;
        most_[t] = known ? now_[t] : level < 0 ? bound : INFINITE;
    }
    for (Spectrum* spectrum : {&long_, &short_}) spectrum->begin(samples_.data() + past_, clipped_.data());
}

// Take a share of the last step again.
void SocialSparsity::lead(int iteration, int) {
    for (Spectrum* spectrum : {&long_, &short_}) spectrum->set_amplitude(amplitudes_[iteration]);
    constexpr float SHARE = static_cast<float>(MOMENTUM);
    for (int t = 0; t < length_; ++t) ahead_[t] = now_[t] + SHARE * (now_[t] - before_[t]);
}

void SocialSparsity::move(int, int) {
    constexpr float BY = static_cast<float>(STEP);
    before_.swap(now_);
    for (int t = 0; t < length_; ++t) now_[t] = std::min(std::max((moved_[t] - ahead_[t]) * BY + ahead_[t], least_[t]), most_[t]);
}

}  // namespace declipper
