// Restores a signal a whole hop at a time: for a listener whose program works in a process of its own, where a burst of work disturbs
// nobody, and whose latency is then that of hop and look-ahead alone. `Stream` is for the audio thread.
#pragma once

#include <memory>
#include <vector>

#include "channel.hpp"

namespace declipper {

// The levels of one channel, positive above 0 and negative below it, NO_LEVEL and -NO_LEVEL where a polarity does not clip.
struct ChannelLevels {
    double positive, negative;
};

class HopStream {
public:
    // levels: of each channel; none: they are tracked. Throws std::invalid_argument for a sample rate, a framing or channels that are not
    // supported. The model must outlive it.
    HopStream(const Model&, double sample_rate, int channels, const Framing&, const std::vector<ChannelLevels>& levels);

    // Frames missing until the next window can be worked on.
    int wanted() const;

    // Takes frames, samples of all channels beside each other, and returns how many frames it has finished: they are in `out`, which has
    // room for `frames` and a hop. The first finished frame is the first that came. restore: whether the windows that become complete are
    // restored; else they come out as they came in, at next to no cost. It allocates nothing.
    int push(const float* in, int frames, float* out, bool restore);

    // Forget the signal.
    void reset();

private:
    void work(bool restore);
    int take(float* out);

    const Framing framing_;
    const std::vector<ChannelLevels> levels_;
    EstimateMixer mixer_;
    std::vector<std::unique_ptr<Channel>> channels_;
    std::vector<float> apart_;  // the samples of one channel
    Schedule schedule_;
    int collected_ = 0;  // of the hop that the next window waits for
    int unborn_ = 0;     // frames that windows settle before the first one of the signal
};

}  // namespace declipper
