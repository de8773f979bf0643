// Cuts the signal into windows on a fixed grid and spreads the work on each over the hop of input that follows it. Window k settles
// the hop of frames from k * hop - fade on, as in declipper/engine/stream.py.
#include <algorithm>
#include <cmath>
#include <vector>

#include "channel.hpp"
#include "declipper.hpp"
#include "float_mode.hpp"

namespace declipper {

class Stream::State {
public:
    State(const Model& model, double sample_rate, int channels, const Kernels& kernels)
        : framing_(sample_rate), sample_rate_(sample_rate), mixer_(model, kernels, framing_.window(), framing_.context, framing_.reach()) {
        for (int c = 0; c < channels; ++c) channels_.push_back(std::make_unique<Channel>(framing_, sample_rate, kernels, mixer_));
        schedule_.reserve(MOST_UNITS);
        reset();
    }

    int latency() const { return framing_.latency(); }
    void set(const Controls& controls) { controls_ = controls; }
    const Meters& meters() const { return meters_; }

    void reset() {
        schedule_.clear();
        for (auto& channel : channels_) channel->reset();
        // so that window 0 begins when the frames it looks ahead to are there
        collected_ = framing_.hop - (framing_.lookahead - framing_.fade);
        meters_ = Meters();
    }

    void process(const float* const* in, float* const* dry, float* const* restored, int frames) {
        const FlushDenormals mode;
        for (int done = 0; done < frames;) {
            if (collected_ == framing_.hop) begin_window();
            const int count = std::min(frames - done, framing_.hop - collected_);
            for (std::size_t c = 0; c < channels_.size(); ++c) channels_[c]->push(in[c] + done, collected_, count);
            schedule_.advance(static_cast<double>(collected_ + count) / framing_.hop);
            for (std::size_t c = 0; c < channels_.size(); ++c) {
                channels_[c]->delayed(dry[c] + done, collected_, count);
                channels_[c]->restored(restored[c] + done, collected_, count);
            }
            collected_ += count;
            done += count;
        }
    }

private:
    static constexpr std::size_t MOST_UNITS = 1 << 15;

    void begin_window() {
        collected_ = 0;
        schedule_.clear();
        for (auto& channel : channels_) {
            channel->cut();
            if (!controls_.automatic) channel->set_levels(controls_.threshold_positive, -static_cast<double>(controls_.threshold_negative));
        }
        if (controls_.automatic && controls_.link && channels_.size() == 2) {
            channels_[0]->borrow_levels(*channels_[1]);
            channels_[1]->borrow_levels(*channels_[0]);
        }
        for (auto& channel : channels_) channel->schedule(schedule_);
        measure();
    }

    void measure() {
        double positive = 0, negative = 0, clipped = 0;
        for (const auto& channel : channels_) {
            if (std::isfinite(channel->positive())) positive = std::max(positive, channel->positive());
            if (std::isfinite(channel->negative())) negative = std::max(negative, -channel->negative());
            clipped += channel->clipped();
        }
        const double share = clipped / (static_cast<double>(framing_.hop) * static_cast<double>(channels_.size()));
        const double newness = std::min(1.0, framing_.hop / sample_rate_);  // over a second or so
        meters_.level_positive = static_cast<float>(positive);
        meters_.level_negative = static_cast<float>(negative);
        meters_.clipped_share += static_cast<float>(newness * (share - meters_.clipped_share));
    }

    const Framing framing_;
    const double sample_rate_;
    EstimateMixer mixer_;
    std::vector<std::unique_ptr<Channel>> channels_;
    Schedule schedule_;
    Controls controls_;
    Meters meters_;
    int collected_ = 0;  // of the hop that the next window waits for
};

Stream::Stream(const Model& model, double sample_rate, int channels) : Stream(model, sample_rate, channels, best_kernels()) {}

Stream::Stream(const Model& model, double sample_rate, int channels, const Kernels& kernels)
    : state_(std::make_unique<State>(model, sample_rate, channels, kernels)) {}

Stream::~Stream() = default;
int Stream::latency() const { return state_->latency(); }
void Stream::set(const Controls& controls) { state_->set(controls); }
void Stream::reset() { state_->reset(); }
const Meters& Stream::meters() const { return state_->meters(); }

void Stream::process(const float* const* in, float* const* dry, float* const* restored, int frames) {
    state_->process(in, dry, restored, frames);
}

}  // namespace declipper
