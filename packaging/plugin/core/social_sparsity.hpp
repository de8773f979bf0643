// Restores the newest clipped samples of a channel by their spectrum, as declipper/methods/newest_sparsity.py does.
#pragma once

#include <vector>

#include "newest.hpp"
#include "spectrum.hpp"

namespace declipper {

class SocialSparsity {
public:
    SocialSparsity(const Kernels&, double sample_rate, const Newest&);

    // Add the work on what is new by then.
    void schedule(Schedule&);

    // What a new frame became.
    double found(int frame) const { return static_cast<double>(now_[frame]) * newest_.scale; }

private:
    void begin(int, int);
    void lead(int iteration, int);
    void move(int, int);

    const Newest& newest_;
    const int beyond_;
    Spectrum long_, short_;
    std::vector<double> amplitudes_;  // of each iteration
    // All over the level. samples_: two windows of the past and the new ones. between the bounds lies what a sample may be.
    std::vector<float> samples_, clipped_, least_, most_, now_, before_, ahead_, moved_;
    int past_, length_ = 0;
};

}  // namespace declipper
