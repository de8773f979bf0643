#include "hop_stream.hpp"

#include <algorithm>
#include <stdexcept>

#include "float_mode.hpp"

namespace declipper {
namespace {

constexpr int MOST_CHANNELS = 64;
constexpr std::size_t MOST_UNITS = 1 << 15;  // of the work on a window of one channel

// Throws std::invalid_argument for windows that the methods or the network could not work on.
const Framing& checked(const Framing& framing, const Model& model, double sample_rate) {
    int step = 1;
    for (const auto& level : model.levels) step *= level.stride;
    const bool whole = framing.context >= 0 && framing.hop >= 1 && framing.fade >= 0 && framing.fade <= framing.lookahead &&
                       framing.lookahead <= framing.hop;
    if (!whole) throw std::invalid_argument("a framing needs context >= 0 and 0 <= fade <= lookahead <= hop, and a hop");
    if (framing.context > at_rate(recipe::REACH, sample_rate) || framing.hop + framing.lookahead > 2 * at_rate(recipe::LEAST_NEW, sample_rate))
        throw std::invalid_argument("windows of " + std::to_string(framing.window()) + " frames are too long at this sample rate");
    if (framing.window() % step)
        throw std::invalid_argument("windows of " + std::to_string(framing.window()) + " frames are no multiple of " + std::to_string(step));
    return framing;
}

}  // namespace

HopStream::HopStream(const Model& model, double sample_rate, int channels, const Framing& framing, const std::vector<ChannelLevels>& levels)
    : framing_(checked(framing, model, sample_rate)),
      levels_(levels),
      mixer_(model, best_kernels(), framing.window(), framing.context, framing.reach()),
      apart_(framing.hop) {
    if (channels < 1 || channels > MOST_CHANNELS) throw std::invalid_argument(std::to_string(channels) + " channels, must be 1 to 64");
    if (!levels.empty() && levels.size() != static_cast<std::size_t>(channels))
        throw std::invalid_argument("levels are for " + std::to_string(levels.size()) + " channels, not " + std::to_string(channels));
    for (int c = 0; c < channels; ++c) channels_.push_back(std::make_unique<Channel>(framing_, sample_rate, best_kernels(), mixer_));
    schedule_.reserve(MOST_UNITS);
    reset();
}

void HopStream::reset() {
    for (auto& channel : channels_) channel->reset();
    // so that window 0 begins when the frames it looks ahead to are there; the window before it settles silence
    collected_ = framing_.hop - (framing_.lookahead - framing_.fade);
    unborn_ = framing_.hop + framing_.fade;
}

// The window before window 0 comes on the way and finishes nothing.
int HopStream::wanted() const { return framing_.hop - collected_ + (unborn_ > framing_.hop ? framing_.hop : 0); }

int HopStream::push(const float* in, int frames, float* out, bool restore) {
    const FlushDenormals mode;
    const int channels = static_cast<int>(channels_.size());
    int finished = 0;
    for (int done = 0; done < frames;) {
        const int count = std::min(frames - done, framing_.hop - collected_);
        for (int c = 0; c < channels; ++c) {
            for (int t = 0; t < count; ++t) apart_[t] = in[static_cast<std::ptrdiff_t>(done + t) * channels + c];
            channels_[c]->push(apart_.data(), collected_, count);
        }
        collected_ += count;
        done += count;
        if (collected_ < framing_.hop) break;
        collected_ = 0;
        work(restore);
        finished += take(out + static_cast<std::ptrdiff_t>(finished) * channels);
    }
    return finished;
}

// One channel after the other, since they share the mixer.
void HopStream::work(bool restore) {
    for (std::size_t c = 0; c < channels_.size(); ++c) {
        Channel& channel = *channels_[c];
        channel.cut();
        if (!levels_.empty()) channel.set_levels(levels_[c].positive, levels_[c].negative);
        if (!restore) {
            channel.pass();
            continue;
        }
        schedule_.clear();
        channel.schedule(schedule_);
        schedule_.advance(1);
    }
}

// What the windows have settled, from the first frame of the signal on; returns how many frames.
int HopStream::take(float* out) {
    const int channels = static_cast<int>(channels_.size()), skipped = std::min(unborn_, framing_.hop);
    unborn_ -= skipped;
    for (int c = 0; c < channels; ++c) {
        const float* settled = channels_[c]->settled();
        for (int t = skipped; t < framing_.hop; ++t) out[static_cast<std::ptrdiff_t>(t - skipped) * channels + c] = settled[t];
    }
    return framing_.hop - skipped;
}

}  // namespace declipper
