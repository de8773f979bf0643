#include "estimate_mixer.hpp"

#include <algorithm>
#include <cmath>

namespace declipper {
namespace {

using network::REACH;
constexpr float DOUBT = network::DOUBT;
constexpr float TINY = 1e-20f;  // as in training/model/network.py: keeps ratios finite in silence

float mean(const EstimateMixer::Sample& s) { return (s.first + s.second) / 2; }

}  // namespace

EstimateMixer::EstimateMixer(const Model& model, const Kernels& kernels, int frames, int begin, int end)
    : samples(frames), network_(model, kernels, frames, begin, end), plain_(model.plain_mean()), step_(1) {
    for (const auto& level : model.levels) step_ *= level.stride;
    sums_.resize(frames / step_);
    units_.resize(frames / step_);
}

void EstimateMixer::schedule(Schedule& schedule) {
    if (plain_) return;
    constexpr double PER_FRAME = 150;  // about what a pass over one costs, in multiplications
    const int steps = static_cast<int>(units_.size());
    schedule.add<&EstimateMixer::add_up>(*this, 0, steps, PER_FRAME * step_);
    schedule.add<&EstimateMixer::prepare_input>(*this, 0, steps, PER_FRAME * step_);
    network_.schedule(schedule);
}

// At every step: how far the estimates are from each other and from the clipped signal, how much of the signal is clipped, and how
// much is not.
void EstimateMixer::add_up(int begin, int end) {
    for (int i = begin; i < end; ++i) {
        Sums sums = {0, 0, 0};
        for (int t = i * step_; t < (i + 1) * step_; ++t) {
            const Sample& s = samples[t];
            sums.reliable += std::abs(s.reliable);
            if (s.clipped == 0) continue;
            sums.error += std::abs(s.second - mean(s)) + DOUBT * std::abs(mean(s) - s.clipped);
            sums.clipped += std::abs(s.clipped);
        }
        sums_[i] = sums;
    }
}

// The network's input: both parts of the recording, what the mean of the estimates adds to it, and how far the second estimate is from
// that mean, in units.
void EstimateMixer::prepare_input(int begin, int end) {
    const int steps = static_cast<int>(units_.size());
    for (int i = begin; i < end; ++i) {
        Sums around = {0, 0, 0};
        for (int j = std::max(0, i - REACH / 2); j < std::min(steps, i + REACH / 2); ++j) {
            around.error += sums_[j].error;
            around.clipped += sums_[j].clipped;
            around.reliable += sums_[j].reliable;
        }
        const float frames = static_cast<float>(REACH * step_);
        const float clipped = around.clipped / frames, share = clipped / (clipped + around.reliable / frames + TINY);
        units_[i] = around.error / frames / (clipped + TINY) + share * share;
        for (int t = i * step_; t < (i + 1) * step_; ++t) {
            const Sample& s = samples[t];
            float* input = network_.input() + Model::INPUTS * t;
            input[0] = s.reliable;
            input[1] = s.clipped;
            input[2] = s.clipped != 0 ? mean(s) - s.clipped : 0;
            input[3] = s.clipped != 0 ? (s.second - mean(s)) / (units_[i] + TINY) : 0;
        }
    }
}

// The mean of the estimates, weighted by the squares of the network's second and third map, and as many units more as the first says.
float EstimateMixer::mixed(int frame) const {
    const Sample& s = samples[frame];
    if (plain_) return mean(s);
    const float* maps = network_.output(frame);
    const float first = maps[1] * maps[1], second = maps[2] * maps[2];
    const float chosen = (first * (s.first - mean(s)) + second * (s.second - mean(s))) / (first + second + TINY);
    return mean(s) + chosen + units_[frame / step_] * maps[0];
}

}  // namespace declipper
