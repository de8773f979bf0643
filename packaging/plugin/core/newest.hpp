// What a channel's methods are asked for: the frames from the first clipped one that is not finished yet to the newest, and the past before
// them as it was restored.
#pragma once

#include <vector>

namespace declipper {

struct Newest {
    // reach: frames of the past that are kept. most: frames that can be new.
    Newest(int reach_, int most) : reach(reach_), samples(reach_ + most), levels(most) { unknown.reserve(most); }

    double* now() { return samples.data() + reach; }
    const double* now() const { return samples.data() + reach; }

    int reach;
    int frames = 0;               // that are new
    std::vector<double> samples;  // `reach` frames of the past, then the new ones
    std::vector<double> levels;   // of the new ones, with their sign where they are clipped, else 0
    std::vector<int> unknown;     // which of the new ones are clipped, ascending: the first is 0
    double scale = 1;             // the highest of the levels, in size
};

}  // namespace declipper
