// One channel of a stream: its past, and the window of it that is worked on.
#pragma once

#include <cstdint>
#include <vector>

#include "framing.hpp"
#include "interpolator.hpp"
#include "network.hpp"
#include "schedule.hpp"
#include "tracker.hpp"

namespace declipper {

class Channel {
public:
    // The network is lent for the time of this channel's work.
    Channel(const Framing&, double sample_rate, const Kernels&, Network&);

    void reset();
    // Take up the next frames; `seen` are those before.
    void push(const float* in, std::int64_t seen, int frames);
    // The frames that came `latency` before the last ones pushed.
    void delayed(float* out, std::int64_t seen, int frames) const;
    // Frames of the last window that was finished, the first of which is number `from` of it.
    void finished(float* out, int from, int frames) const;

    // Begin the window that ends with frame `seen`: first its levels, then its work.
    void cut(std::int64_t seen);
    void set_levels(double positive, double negative);
    void borrow_levels(const Channel& other);
    void schedule(Schedule&);

    // Of the window in work, once `schedule` was called.
    double positive() const { return positive_.back(); }
    double negative() const { return negative_.back(); }
    int clipped() const { return clipped_; }

private:
    void feed(int begin, int end);
    void settle(int begin, int end);
    void keep_tail(int, int);
    double estimate(int frame) const { return static_cast<double>(network_.output(frame)) * scale_; }

    const Framing framing_;
    Network& network_;
    Tracker tracker_;
    Interpolator interpolator_;
    std::vector<float> past_;  // a ring
    std::vector<float> window_, in_work_, finished_;
    std::vector<double> positive_, negative_, ramp_, tail_;
    int clipped_ = 0;  // samples in the hop
    bool restored_ = false;  // whether the window has anything to restore
    double scale_ = 1;
};

}  // namespace declipper
