// Mixes the two estimates of a window, weighed by the network, as training/model/network.py does. All signals are divided by the
// clip level.
#pragma once

#include <vector>

#include "network.hpp"
#include "schedule.hpp"

namespace declipper {

class EstimateMixer {
public:
    // One frame of the window. The recording's sample is `reliable` or `clipped`, and the other one is 0. The estimates are those of
    // `LiveRecipe`, in its order.
    struct Sample {
        float reliable, clipped;
        float first, second;
    };

    // Of each window of `frames`, only the frames begin..end of the result are wanted.
    EstimateMixer(const Model&, const Kernels&, int frames, int begin, int end);

    // The window, to be filled in before the work begins.
    std::vector<Sample> samples;

    // Add the work on the window.
    void schedule(Schedule&);

    // The result at one of the wanted frames, once the work is done.
    float mixed(int frame) const;

private:
    // Sums of sizes over the frames of one step.
    struct Sums {
        float error, clipped, reliable;
    };

    void add_up(int begin, int end);
    void prepare_input(int begin, int end);

    Network network_;
    const bool plain_;  // whether all that the network could say is the plain mean
    int step_;  // frames to one step of the network's deepest level
    std::vector<Sums> sums_;
    std::vector<float> units_;  // the error to be expected at each step, in which the network sees and gives differences
};

}  // namespace declipper
