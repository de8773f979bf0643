// Restores the clipped samples of one window by autoregressive interpolation, as declipper/methods/autoregressive.py and
// ar_equations.py do without draws, in units of work that can be spread over time.
#pragma once

#include <iterator>
#include <vector>

#include "constants.hpp"
#include "kernels.hpp"
#include "schedule.hpp"

namespace declipper {

class Interpolator {
public:
    Interpolator(const Kernels&, int frames, double sample_rate);

    // The window, and which of its samples are to be restored, ascending: to be filled in before `schedule`.
    std::vector<double> x;
    std::vector<int> unknown;

    static constexpr int ROUNDS = static_cast<int>(std::size(interpolation::ORDERS));

    // Add the work of rounds first..last on x, in place. There is none where all samples are unknown, or none is.
    void schedule(Schedule&, int first, int last);

private:
    // The order of the model in a round, and the bandwidth of the equations that the unknown samples solve.
    struct Round {
        int order, bandwidth;
    };

    void tally();
    Round affordable(int order) const;
    // A row of what `overhang` works out.
    double* beyond(int row) { return beyond_.data() + static_cast<std::ptrdiff_t>(row) * order_; }

    void start(int, int) { failed_ = false; }
    // The steps of a round, in the order of running.
    void begin(int round, int);
    void correlate(int begin, int end);
    void predict(int, int);
    void overhang(int begin, int end);
    void couple(int begin, int end);
    void factor(int begin, int end);
    void forward(int begin, int end);
    void backward(int begin, int end);

    const Kernels& kernels_;
    int orders_[ROUNDS];
    Round rounds_[ROUNDS] = {};
    // Of the unknowns, how many are at or before each frame; and the same again, but all too many at frames that are none.
    std::vector<int> until_, from_;
    // The round in work. Once one has failed, what is restored so far stays, until the next start.
    int order_ = 0, bandwidth_ = 0, pitch_ = 0;
    bool failed_ = false;
    // `known_` and `tapered_` go on with zeros for the highest order
    std::vector<double> taper_, tapered_, known_, correlation_, reversed_, filter_, swap_, couplings_, beyond_, right_, band_;
};

}  // namespace declipper
