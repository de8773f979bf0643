// What restoring by whole hops promises: the same as the stream of the audio thread, in any framing and any blocks.
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "check.hpp"
#include "flat_files.hpp"
#include "hop_stream.hpp"
#include "signals.hpp"

namespace {

using declipper::Framing;
using declipper::HopStream;
using declipper::ChannelLevels;

constexpr double INFINITE = std::numeric_limits<double>::infinity();

// All that is finished of a signal that comes in blocks of the given sizes, over and over, with silence after it until all is.
Channels restored(HopStream& stream, const Framing& framing, const Channels& in, const std::vector<int>& blocks, bool restore = true) {
    const std::size_t channels = in.size(), frames = in[0].size(), padded = frames + framing.hop + framing.lookahead;
    std::vector<float> together(padded * channels), out;
    for (std::size_t t = 0; t < frames; ++t)
        for (std::size_t c = 0; c < channels; ++c) together[t * channels + c] = in[c][t];
    std::size_t next = 0;
    for (std::size_t done = 0; done < padded;) {
        const std::size_t count = std::min<std::size_t>(blocks[next++ % blocks.size()], padded - done);
        std::vector<float> finished((count + framing.hop) * channels);
        const int wanted = stream.wanted(), found = stream.push(together.data() + done * channels, static_cast<int>(count), finished.data(), restore);
        CHECK((found > 0) == (static_cast<int>(count) >= wanted), "%d frames finished of %d, wanted were %d", found, static_cast<int>(count), wanted);
        out.insert(out.end(), finished.begin(), finished.begin() + found * static_cast<int>(channels));
        done += count;
    }
    Channels result(channels, std::vector<float>(frames));
    for (std::size_t t = 0; t < frames; ++t)
        for (std::size_t c = 0; c < channels; ++c) result[c][t] = out[t * channels + c];
    return result;
}

bool same_bits(const Channels& a, const Channels& b) {
    for (std::size_t c = 0; c < a.size(); ++c)
        if (std::memcmp(a[c].data(), b[c].data(), b[c].size() * sizeof(float)) != 0) return false;
    return true;
}

// In the windows of the plugin, it is what the plugin gives.
void restores_as_the_stream(const declipper::Model& model, const std::vector<double>& rates) {
    for (const double rate : rates)
        for (const double level : {0.1, 0.7})
            for (const bool automatic : {true, false}) {
                const Channels in = clipped_tones(2, static_cast<int>(rate / 4), rate, level);
                declipper::Stream stream(model, rate, 2);
                declipper::Controls controls;
                controls.automatic = automatic;
                controls.threshold_positive = controls.threshold_negative = static_cast<float>(level);
                stream.set(controls);
                Channels longer = in;
                for (auto& channel : longer) channel.resize(in[0].size() + stream.latency());
                Channels wanted = run(stream, longer, {1000}).restored;
                for (auto& channel : wanted) channel.erase(channel.begin(), channel.begin() + stream.latency());
                const Framing framing(rate);
                const double given = controls.threshold_positive;
                HopStream hops(model, rate, 2, framing, automatic ? std::vector<ChannelLevels>() : std::vector<ChannelLevels>(2, {given, -given}));
                CHECK(same_bits(restored(hops, framing, in, {1000}), wanted), "%g Hz, level %g", rate, level);
            }
}

void blocks_do_not_matter(const declipper::Model& model) {
    const Framing framing(512, 1844, 460, 115);
    const Channels in = clipped_tones(3, 12000, 48000, 0.5);
    HopStream stream(model, 48000, 3, framing, {});
    const Channels whole = restored(stream, framing, in, {1 << 20});
    CHECK(!same_bits(whole, in), "nothing was restored");
    for (const auto& blocks : {std::vector<int>{64}, {1844}, {0, 7, 1, 1844, 300, 2, 5000}}) {
        stream.reset();
        CHECK(same_bits(restored(stream, framing, in, blocks), whole), "in blocks of %d", blocks[0]);
    }
}

void reliable_samples_stay_and_clipped_ones_rise(const declipper::Model& model) {
    const Framing framing(572, 1693, 423, 105);
    const float level = 0.6f;
    Channels in = clipped_tones(2, 16000, 44100, level);
    in[0][3000] = std::numeric_limits<float>::quiet_NaN();
    // the second channel clips on one side alone
    HopStream stream(model, 44100, 2, framing, {{level, -level}, {level, -INFINITE}});
    const Channels out = restored(stream, framing, in, {1000});
    int raised = 0;
    for (std::size_t c = 0; c < 2; ++c)
        for (std::size_t t = 0; t < in[c].size(); ++t) {
            const bool above = in[c][t] >= level, below = c == 0 && in[c][t] <= -level;
            const bool same = std::memcmp(&in[c][t], &out[c][t], sizeof(float)) == 0;
            CHECK(above ? out[c][t] >= level : below ? out[c][t] <= -level : same, "channel %zu, frame %zu: %g became %g", c, t, in[c][t], out[c][t]);
            raised += !same;
        }
    CHECK(raised > 1000, "%d samples", raised);
}

void what_nobody_waits_for_passes(const declipper::Model& model) {
    const Framing framing(512, 1844, 460, 115);
    const Channels in = clipped_tones(2, 12000, 48000, 0.5);
    HopStream stream(model, 48000, 2, framing, {});
    CHECK(same_bits(restored(stream, framing, in, {1844}, false), in), "something was changed");
}

void refuses(const declipper::Model& model, const char* what, double rate, int channels, const Framing& framing, const std::vector<ChannelLevels>& levels) {
    try {
        HopStream(model, rate, channels, framing, levels);
        CHECK(false, "%s", what);
    } catch (const std::invalid_argument&) {
    }
}

}  // namespace

int main() {
    const declipper::Model& mean = *declipper::embedded_model();
    const declipper::Model learned = random_model(usual_levels);
    for (const declipper::Model* model : {&mean, &learned}) {
        // a network's work differs from rate to rate in its lengths alone, and is slow where memory is checked
        restores_as_the_stream(*model, model == &learned ? std::vector{8000.0} : std::vector{8000.0, 44100.0, 96000.0});
        blocks_do_not_matter(*model);
        reliable_samples_stay_and_clipped_ones_rise(*model);
        what_nobody_waits_for_passes(*model);
    }
    const Framing usual(512, 1844, 460, 115);
    refuses(mean, "a rate", 1000, 2, usual, {});
    refuses(mean, "no channels", 48000, 0, usual, {});
    refuses(mean, "levels of one channel", 48000, 2, usual, {{0.5, -0.5}});
    refuses(mean, "windows too long", 48000, 2, {512, 2304, 512, 128}, {});
    refuses(mean, "windows that the network does not take", 48000, 2, {500, 1844, 460, 115}, {});
    refuses(mean, "a fade longer than the look-ahead", 48000, 2, {512, 1844, 460, 461}, {});
    refuses(mean, "no hop", 48000, 2, {512, 0, 0, 0}, {});
    return failures != 0;
}
