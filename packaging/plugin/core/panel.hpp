// Weighs two estimates of a window with the network: `Panel` of training/model/network.py. It takes what is already divided by
// the level.
#pragma once

#include <vector>

#include "network.hpp"
#include "schedule.hpp"

namespace declipper {

class Panel {
public:
    struct Sample {
        float reliable, clipped;  // y, or 0 where it is not
        float rough, predicted;
    };

    // Frames begin..end of each window of `frames` are wanted.
    Panel(const Model&, const Kernels&, int frames, int begin, int end);

    // To be filled in before the work begins.
    std::vector<Sample> samples;

    void schedule(Schedule&);

    // The result at one of the wanted frames.
    float verdict(int frame) const;

private:
    // Over one step of the network.
    struct Sums {
        float doubt, damaged, sound;
    };

    void measure(int begin, int end);
    void brief(int begin, int end);

    Network network_;
    int step_;
    std::vector<Sums> sums_;
    std::vector<float> units_;  // what errors are to be expected at each step
};

}  // namespace declipper
