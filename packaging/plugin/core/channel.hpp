// One channel of a stream: its past, and the window of it that is worked on.
#pragma once

#include <vector>

#include "framing.hpp"
#include "interpolator.hpp"
#include "estimate_mixer.hpp"
#include "schedule.hpp"
#include "tracker.hpp"

namespace declipper {

class Channel {
public:
    // The mixer is lent for the time of this channel's work.
    Channel(const Framing&, double sample_rate, const Kernels&, EstimateMixer&);

    void reset();
    // Take up frames of the hop that is being collected; `at` of it are there.
    void push(const float* in, int at, int frames);
    // The frames that came `latency` before those at `at`, and what became of them.
    void delayed(float* out, int at, int frames) const;
    void restored(float* out, int at, int frames) const;

    // The hop is collected: begin the window that ends with it. First its levels, then its work.
    void cut();
    void set_levels(double positive, double negative);
    void borrow_levels(const Channel& other);
    void schedule(Schedule&);

    // Of the window in work, once `schedule` was called.
    double positive() const { return positive_.back(); }
    double negative() const { return negative_.back(); }
    int clipped() const { return clipped_; }

private:
    // Of the window in work.
    float sample(int frame) const { return past_[framing_.history() - framing_.window() + frame]; }
    void find_unknown();
    void bound(int begin, int end);
    void feed(int begin, int end);
    void settle(int begin, int end);
    void keep_tail(int, int);
    double estimate(int frame) const { return static_cast<double>(mixer_.mixed(frame)) * scale_; }

    const Framing framing_;
    EstimateMixer& mixer_;
    Tracker tracker_;
    Interpolator interpolator_;
    std::vector<float> past_;  // the history, the window in work at its end, then the hop that is being collected
    std::vector<float> in_work_, finished_;
    std::vector<double> positive_, negative_, rough_, ramp_, tail_;
    int clipped_ = 0;  // samples in the hop
    bool needed_ = false;  // whether the window has anything to restore
    double scale_ = 1;
};

}  // namespace declipper
