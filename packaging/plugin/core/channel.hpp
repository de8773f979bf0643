// One channel of a stream: its past, and the window of it that is worked on.
#pragma once

#include <vector>

#include "estimate_mixer.hpp"
#include "framing.hpp"
#include "interpolator.hpp"
#include "newest.hpp"
#include "schedule.hpp"
#include "social_sparsity.hpp"
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
    // In place of `schedule`: the window comes out as it came in, at next to no cost.
    void pass();
    // The hop that the window settles, once its work is done.
    const float* settled() const { return in_work_.data(); }

    // Of the window in work, once `schedule` was called.
    double positive() const { return positive_.back(); }
    double negative() const { return negative_.back(); }
    int clipped() const { return clipped_; }

private:
    // Of the window in work.
    float sample(int frame) const { return past_[framing_.history() - framing_.window() + frame]; }
    void remember();
    void find_newest();
    void take_social(int begin, int end);
    void take_interpolated(int begin, int end);
    void draw_together(int begin, int end);
    double bounded(int t, double estimate) const;
    void feed(int begin, int end);
    void settle(int begin, int end);
    void keep_tail(int, int);
    double estimate(int frame) const { return static_cast<double>(mixer_.mixed(frame)) * scale_; }

    const Framing framing_;
    EstimateMixer& mixer_;
    Tracker tracker_;
    const int least_new_;  // frames of which the share of clipped ones is judged, at least
    Newest newest_;
    SocialSparsity social_;
    Interpolator alone_, after_;  // where little is clipped; and where social sparsity has been before
    std::vector<float> past_;      // the history, the window in work at its end, then the hop that is being collected
    std::vector<float> restored_;  // what is finished, as far as the methods see it
    std::vector<float> in_work_, finished_;
    std::vector<double> positive_, negative_, ramp_, tail_;
    std::vector<double> first_, second_;  // the estimates: those of the context were made for the windows before
    int clipped_ = 0;                     // samples in the hop
    int new_ = 0;                         // the frame of the window where what is new begins
    bool needed_ = false;                 // whether the window has anything to restore
    bool spared_ = false;                 // whether interpolation does alone
    double apart_ = 0;                    // the sum of the squares of how far the estimates are from each other
    double scale_ = 1;
};

}  // namespace declipper
