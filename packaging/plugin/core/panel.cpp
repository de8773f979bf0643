#include "panel.hpp"

#include <algorithm>
#include <cmath>

namespace declipper {
namespace {

constexpr int REACH = 32;
constexpr float DOUBT = 0.1f;
constexpr float TINY = 1e-20f;

float mean(const Panel::Sample& s) { return (s.rough + s.predicted) / 2; }

}  // namespace

Panel::Panel(const Model& model, const Kernels& kernels, int frames, int begin, int end)
    : samples(frames), network_(model, kernels, frames, begin, end), step_(1) {
    for (const auto& level : model.levels) step_ *= level.stride;
    sums_.resize(frames / step_);
    units_.resize(frames / step_);
}

void Panel::schedule(Schedule& schedule) {
    constexpr double PER_FRAME = 150;
    const int steps = static_cast<int>(units_.size());
    schedule.add<&Panel::measure>(*this, 0, steps, PER_FRAME * step_);
    schedule.add<&Panel::brief>(*this, 0, steps, PER_FRAME * step_);
    network_.schedule(schedule);
}

// How far the estimates are apart, and from the clipped signal; how much of the signal is clipped, and how much is not.
void Panel::measure(int begin, int end) {
    for (int i = begin; i < end; ++i) {
        Sums sums = {0, 0, 0};
        for (int t = i * step_; t < (i + 1) * step_; ++t) {
            const Sample& s = samples[t];
            sums.sound += std::abs(s.reliable);
            if (s.clipped == 0) continue;
            sums.doubt += std::abs(s.predicted - mean(s)) + DOUBT * std::abs(mean(s) - s.clipped);
            sums.damaged += std::abs(s.clipped);
        }
        sums_[i] = sums;
    }
}

// The network's input: both parts of y, what the mean of the estimates adds, and how they differ from it in units.
void Panel::brief(int begin, int end) {
    const int steps = static_cast<int>(units_.size());
    for (int i = begin; i < end; ++i) {
        Sums around = {0, 0, 0};
        for (int j = std::max(0, i - REACH / 2); j < std::min(steps, i + REACH / 2); ++j) {
            around.doubt += sums_[j].doubt;
            around.damaged += sums_[j].damaged;
            around.sound += sums_[j].sound;
        }
        const float frames = static_cast<float>(REACH * step_);
        const float damaged = around.damaged / frames, share = damaged / (damaged + around.sound / frames + TINY);
        units_[i] = around.doubt / frames / (damaged + TINY) + share * share;
        for (int t = i * step_; t < (i + 1) * step_; ++t) {
            const Sample& s = samples[t];
            float* input = network_.input() + Model::INPUTS * t;
            input[0] = s.reliable;
            input[1] = s.clipped;
            input[2] = s.clipped != 0 ? mean(s) - s.clipped : 0;
            input[3] = s.clipped != 0 ? (s.predicted - mean(s)) / (units_[i] + TINY) : 0;
        }
    }
}

// A mean of the estimates, weighted by the squares of the last two maps, and a first map of units more.
float Panel::verdict(int frame) const {
    const Sample& s = samples[frame];
    const float* maps = network_.output(frame);
    const float rough = maps[1] * maps[1], predicted = maps[2] * maps[2];
    const float chosen = (rough * (s.rough - mean(s)) + predicted * (s.predicted - mean(s))) / (rough + predicted + TINY);
    return mean(s) + chosen + units_[frame / step_] * maps[0];
}

}  // namespace declipper
