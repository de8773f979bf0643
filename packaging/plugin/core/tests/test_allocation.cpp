// The audio thread never allocates: malloc and its family count their calls while a stream runs, with the model that is built in and with
// one of the user's own, up to the largest.
#include "allocations.hpp"
#include "check.hpp"
#include "flat_files.hpp"
#include "hop_stream.hpp"
#include "signals.hpp"

namespace {

void nothing_is_allocated(const declipper::Model& model, double rate, double level, bool automatic) {
    const Channels in = clipped_tones(2, static_cast<int>(2 * rate), rate, level);
    Channels out = in;
    declipper::Stream stream(model, rate, 2);
    declipper::Controls controls;
    controls.automatic = automatic;
    controls.link = true;
    controls.threshold_positive = controls.threshold_negative = static_cast<float>(level);
    Channels restored = in;
    const long before = allocations;
    stream.set(controls);
    for (int t = 0; t + 8192 <= static_cast<int>(in[0].size()); t += 8192) {
        const float* const from[] = {in[0].data() + t, in[1].data() + t};
        float* const dry[] = {out[0].data() + t, out[1].data() + t};
        float* const to[] = {restored[0].data() + t, restored[1].data() + t};
        stream.process(from, dry, to, 8192);
    }
    stream.reset();
    CHECK(allocations == before, "%ld calls at %g Hz, level %g", allocations - before, rate, level);
}

void nor_by_whole_hops(const declipper::Model& model, double level, bool automatic) {
    const declipper::Framing framing(512, 1844, 460, 115);
    const Channels in = clipped_tones(2, 48000, 48000, level);
    std::vector<float> together, out(2 * (framing.hop + 8192));
    for (std::size_t t = 0; t < in[0].size(); ++t)
        for (const auto& channel : in) together.push_back(channel[t]);
    declipper::HopStream stream(model, 48000, 2, framing, automatic ? std::vector<declipper::ChannelLevels>() : std::vector<declipper::ChannelLevels>(2, {level, -level}));
    const long before = allocations;
    for (int t = 0; t + 8192 <= 48000; t += 8192) stream.push(together.data() + 2 * t, 8192, out.data(), t != 16384);
    stream.reset();
    CHECK(allocations == before, "%ld calls by whole hops, level %g", allocations - before, level);
}

}  // namespace

int main() {
    for (const double rate : {4000.0, 48000.0, 768000.0})
        for (const double level : {0.01, 0.5, 100.0})
            for (const bool automatic : {true, false}) nothing_is_allocated(*declipper::embedded_model(), rate, level, automatic);
    const declipper::Model usual = random_model(usual_levels), largest = random_model(largest_levels);
    for (const double rate : {4000.0, 48000.0}) nothing_is_allocated(usual, rate, 0.5, true);
    nothing_is_allocated(largest, 768000, 0.01, false);
    for (const double level : {0.01, 0.5, 100.0})
        for (const bool automatic : {true, false}) nor_by_whole_hops(usual, level, automatic);
    CHECK(allocations > 0, "nothing is counted");
    return failures != 0;
}
