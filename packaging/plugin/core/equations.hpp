// The equations that the unknown samples at the end of a signal solve, given the filter that predicts it; declipper/methods/ar_equations.py
// has them in full.
#pragma once

#include <vector>

#include "correlation.hpp"
#include "kernels.hpp"
#include "schedule.hpp"

namespace declipper {

// The order of a model, and how many unknowns follow one within it at most: those that it shares an equation with.
struct Band {
    int order, width;
};

class Equations {
public:
    // order: the highest. most: unknowns, at most, in as many frames. most_work: bounds count * width^2.
    Equations(const Kernels&, const Correlation&, int order, int most, double most_work);

    // To be filled in before the work: the error filter 1, a_1 .. a_order, and what else is known of each unknown, its precision and the
    // product of that and its mean, both times the power of the prediction error.
    std::vector<double> filter, precision, pull;

    // Begin with a signal of which the `unknown` among the last `frames` are to be found. end: its last frame over `scale`, with `order`
    // frames and more before it, 0 where one is unknown.
    void begin(const std::vector<int>& unknown, int frames, const double* end, double scale);
    // Add the work of solving them once, for what is filled in by then.
    void schedule(Schedule&, Band);

    // Afterwards: the solution; and SIDES draws of its error, over the deviation of the predictions.
    double solved(int i) const { return right_[i]; }
    const double* drawn(int i) const { return drawn_.data() + static_cast<std::ptrdiff_t>(i) * SIDES; }
    // From then on nothing is worked out, until the next signal: no filter was found, or rounding has left no positive definite matrix.
    void fail() { failed_ = true; }
    bool failed() const { return failed_; }

private:
    double* column(int i) { return band_.data() + static_cast<std::ptrdiff_t>(i) * pitch_; }
    int count() const { return static_cast<int>(unknown_->size()); }
    int from_end(int i) const { return frames_ - 1 - (*unknown_)[i]; }

    void set_band(int round, int);
    void couple(int begin, int end);
    void run_over(int begin, int end);
    void take_off(int begin, int end);
    void factor(int begin, int end);
    void forward(int begin, int end);
    void backward(int begin, int end);
    void draw(int begin, int end);

    const Kernels& kernels_;
    const Correlation& correlation_;
    std::vector<Band> bands_;  // of each time
    const std::vector<double> signs_;
    std::vector<double> band_, right_, drawn_;
    // The filter from its end; and the errors beyond the end of the signal, of predictions forward and back.
    std::vector<double> turned_, over_, over_back_;
    std::vector<double> shared_;  // what those errors have in common for two frames at each distance, the later one being that in work
    const std::vector<int>* unknown_ = nullptr;
    const double* end_ = nullptr;
    double scale_ = 1;
    Band size_ = {0, 0};
    int frames_ = 0, pitch_ = 0;
    bool failed_ = false;
};

}  // namespace declipper
