// Normal distributions cut off at a level, and what is known of a sample beside its own level; declipper/methods/truncated_normal.py.
#pragma once

namespace declipper {

struct Normal {
    double mean, variance;
};

// A normal factor: its precision, and the product of that and its mean.
struct Site {
    double precision = 0, pull = 0;
};

// So many are worked on at once.
constexpr int BATCH = 8;

// `count` distributions, BATCH at most, become what they are where they are cut off below their levels.
void cut_off(Normal* normals, const double* levels, int count);
// A sample's distribution without its own site.
Normal cavity(Normal, Site);
// The site of a sample whose cavity becomes `cut` where it is cut off below its level.
Site site_between(Normal cavity, Normal cut);

}  // namespace declipper
