// Restores the newest clipped samples of a channel by autoregressive interpolation, each with the help of its level, as
// declipper/methods/autoregressive.py does for a signal that is still coming (`newest`), in units of work that can be spread over time.
#pragma once

#include <vector>

#include "correlation.hpp"
#include "equations.hpp"
#include "newest.hpp"
#include "truncated_normal.hpp"

namespace declipper {

// Lengths in frames, as they are at 44.1 kHz; see `ARModel` in Python.
struct ARModel {
    int window;
    std::vector<int> orders;
    double most_work;
};

class Interpolator {
public:
    Interpolator(const Kernels&, const ARModel&, double sample_rate, const Newest&);

    // Add the work on what is new by then. start: a first guess of the new frames, by the time the work is done.
    void schedule(Schedule&, const double* start);

    // What a new frame became that was clipped, the i-th of them.
    double found(int i) const { return found_[i]; }
    // How far that may be off, squared.
    double variance(int i) const { return variances_[i]; }

private:
    int newest() const { return newest_.frames; }
    int count() const { return static_cast<int>(newest_.unknown.size()); }
    int width(int order) const;
    Band affordable(int order);
    double scatter();

    void begin(int begin, int end);
    void judge(int, int);
    void weigh(int, int);
    void predict(int order, int);
    void learn(int begin, int end);
    void conclude(int begin, int end);

    const Kernels& kernels_;
    const Newest& newest_;
    const int window_, least_new_;
    const double most_work_;
    std::vector<int> orders_;
    Correlation correlation_;
    Equations equations_;
    const double* start_ = nullptr;
    // taper_: the roots of the weights. weighted_: the window by them. known_: the new frames and the highest order before them, over the
    // level.
    std::vector<double> taper_, weighted_, known_, drawn_, correlations_, reversed_, swap_;
    std::vector<double> x_, found_, variances_, scatter_, sides_, levels_;  // of the unknown; sides: 1 or -1, levels: without it
    std::vector<Normal> cavities_;
    std::vector<Site> sites_;
    double weight_ = 0, noise_ = 0, true_share_ = 1, power_ = 0;
    int too_high_ = 0;  // the lowest order that was not affordable
};

}  // namespace declipper
