// Restores clipped audio block by block, without allocation, locks or files while it runs.
#pragma once

#include <memory>

namespace declipper {

class Model;
struct Kernels;

// What an instance runs: the model that was built in, since there is no other; the user's own; or the one that was built in, since the
// user's own cannot be read, is no model of ours, is of another version of the format, is damaged, was trained on other estimates than
// these, is of a shape that the core cannot run, or has weights that are not finite. `models` in ../parameters.hpp says it in words.
enum class ModelChoice { shipped, own, unreadable, foreign, version, damaged, estimates, shape, not_finite };

// The model linked into the binary, or null where it is broken.
const Model* embedded_model();

// Levels are linear and both positive; they are unused while `automatic`. `link`: a channel without a level takes the other's.
struct Controls {
    bool automatic = true;
    float threshold_positive = 1.0f;
    float threshold_negative = 1.0f;
    bool link = false;
};

// Levels are linear, 0 where none was found. clipped_share: of one, over the last second or so.
struct Meters {
    float level_positive = 0;
    float level_negative = 0;
    float clipped_share = 0;
};

// One signal of one or two channels at one sample rate. The model must outlive it.
class Stream {
public:
    // Throws std::invalid_argument for a sample rate that is not 4000 to 768000 Hz.
    Stream(const Model&, double sample_rate, int channels);
    // With given inner loops rather than the fastest that run here.
    Stream(const Model&, double sample_rate, int channels, const Kernels&);
    ~Stream();

    // Frames by which both outputs lag the input; constant.
    int latency() const;

    // Takes effect from the next window on. Call it between two calls of `process`.
    void set(const Controls&);

    // dry: the input, `latency` frames late. restored: aligned with it, and equal to it wherever nothing is clipped. `in` may be
    // either output; the outputs are two. The result does not depend on how the signal is cut into calls.
    void process(const float* const* in, float* const* dry, float* const* restored, int frames);

    // Forget the signal.
    void reset();

    const Meters& meters() const;

private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace declipper
