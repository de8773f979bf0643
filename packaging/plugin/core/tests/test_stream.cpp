// What the stream promises, whatever the weights.
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "check.hpp"
#include "flat_files.hpp"
#include "kernels.hpp"
#include "signals.hpp"
#include "sine.hpp"

namespace {

using declipper::Controls;
using declipper::Stream;

constexpr float NAN_ = std::numeric_limits<float>::quiet_NaN();
constexpr float INF = std::numeric_limits<float>::infinity();

const declipper::Model* model = nullptr;

Stream make(double rate, int channels) { return Stream(*model, rate, channels); }

Controls manual(float positive, float negative) {
    Controls controls;
    controls.automatic = false;
    controls.threshold_positive = positive;
    controls.threshold_negative = negative;
    return controls;
}

bool same_bits(const Channels& a, const Channels& b) {
    for (std::size_t c = 0; c < a.size(); ++c)
        if (std::memcmp(a[c].data(), b[c].data(), a[c].size() * sizeof(float)) != 0) return false;
    return true;
}

double difference(const Channels& a, const Channels& b, float scale = 1) {
    double most = 0;
    for (std::size_t c = 0; c < a.size(); ++c)
        for (std::size_t t = 0; t < a[c].size(); ++t) most = std::max<double>(most, std::abs(scale * a[c][t] - b[c][t]));
    return most;
}

void blocks_do_not_matter(const std::vector<double>& rates) {
    for (const double rate : rates)
        for (const bool automatic : {true, false}) {
            const Channels in = clipped_tones(2, static_cast<int>(rate), rate, 0.7);
            Controls controls = manual(0.7f, 0.7f);
            controls.automatic = automatic;
            Stream stream = make(rate, 2);
            stream.set(controls);
            const Outputs whole = run(stream, in, {static_cast<int>(rate)});
            for (const auto& blocks : {std::vector<int>{1}, {64}, {1000}, {8192}, {0, 7, 1, 1536, 300, 2, 5000}}) {
                stream.reset();
                const Outputs out = run(stream, in, blocks);
                CHECK(same_bits(out.restored, whole.restored) && same_bits(out.dry, whole.dry), "%g Hz in blocks of %d", rate, blocks[0]);
            }
        }
}

void reliable_samples_stay_and_clipped_ones_rise() {
    const float level = 0.7f;
    const Channels in = clipped_tones(2, 48000, 48000, level);
    for (const bool automatic : {true, false}) {
        Stream stream = make(48000, 2);
        Controls controls = manual(level, level);
        controls.automatic = automatic;
        stream.set(controls);
        const Outputs out = run(stream, in, {256});
        int raised = 0;
        for (int c = 0; c < 2; ++c)
            for (int t = 0; t < 48000; ++t) {
                const float delayed = t < stream.latency() ? 0 : in[c][t - stream.latency()], restored = out.restored[c][t];
                CHECK(out.dry[c][t] == delayed, "dry at %d", t);
                const bool clipped = std::abs(delayed) >= level;
                // the level that the tracker finds lies a little below the tops
                CHECK(clipped ? restored * delayed > 0 && std::abs(restored) >= 0.9999f * level : restored == delayed, "frame %d: %g from %g", t,
                      restored, delayed);
                raised += std::abs(restored) > std::abs(delayed);
            }
        CHECK(raised > 2000, "%d samples were raised", raised);
        CHECK(std::abs(stream.meters().level_positive - level) < 0.005 && std::abs(stream.meters().level_negative - level) < 0.005,
              "levels %g and %g", stream.meters().level_positive, stream.meters().level_negative);
        CHECK(stream.meters().clipped_share > 0.05f && stream.meters().clipped_share < 0.95f, "%g clipped", stream.meters().clipped_share);
    }
}

void input_may_be_an_output() {
    const Channels in = clipped_tones(2, 20000, 44100, 0.7);
    Stream stream = make(44100, 2);
    const Outputs apart = run(stream, in, {500});
    for (const bool over_dry : {true, false}) {
        stream.reset();
        Channels over = in, other = in;
        for (int t = 0; t < 20000; t += 500) {
            float* const shared[] = {over[0].data() + t, over[1].data() + t};
            float* const rest[] = {other[0].data() + t, other[1].data() + t};
            stream.process(shared, over_dry ? shared : rest, over_dry ? rest : shared, 500);
        }
        CHECK(same_bits(over_dry ? over : other, apart.dry) && same_bits(over_dry ? other : over, apart.restored), "over dry: %d", over_dry);
    }
}

void odd_signals_pass() {
    const int frames = 30000;
    for (const float value : {0.0f, 1e-40f, 0.3f, 1.0f, -1.0f, 1e30f, NAN_, INF, -INF})
        for (const bool automatic : {true, false}) {
            Stream stream = make(48000, 1);
            Controls controls = manual(0.9f, 0.9f);
            controls.automatic = automatic;
            stream.set(controls);
            const Outputs out = run(stream, {std::vector<float>(frames, value)}, {480});
            for (int t = stream.latency(); t < frames; ++t) {
                const float found = out.restored[0][t];
                if (std::isfinite(value)) CHECK(std::isfinite(found) && std::abs(found) >= std::min(std::abs(value), 0.9f), "%g from %g", found, value);
                if (std::isnan(value)) CHECK(std::isnan(found), "%g from NaN", found);
            }
        }
}

// The rest of the signal is not touched by samples that are not numbers.
void lone_nans_stay_alone() {
    Channels in = clipped_tones(1, 48000, 48000, 0.7);
    for (int t = 20000; t < 30000; t += 997) in[0][t] = t % 2 ? NAN_ : INF;
    Stream stream = make(48000, 1);
    stream.set(manual(0.7f, 0.7f));
    const Outputs out = run(stream, in, {100});
    for (int t = stream.latency(); t < 48000; ++t) {
        const float before = in[0][t - stream.latency()], found = out.restored[0][t];
        CHECK(std::isnan(before) ? std::isnan(found) : std::isfinite(found), "frame %d: %g from %g", t, found, before);
    }
}

// The power of the error, in dB.
double error(const Channels& a, const Channels& b) {
    double sum = 0;
    for (std::size_t c = 0; c < a.size(); ++c)
        for (std::size_t t = 0; t < a[c].size(); ++t) sum += std::pow(static_cast<double>(a[c][t]) - b[c][t], 2);
    return 10 * std::log10(sum);
}

// Social sparsity lets rounding grow where much is clipped: there it is the gain that has to agree.
void kernels_agree() {
    for (const double level : {0.5, 1.4}) {
        const Channels in = clipped_tones(2, 48000, 48000, level), truth = clipped_tones(2, 48000, 48000, 1e9);
        Channels first;
        for (const auto* kernels = declipper::runnable_kernels(); *kernels; ++kernels) {
            Stream stream(*model, 48000, 2, **kernels);
            stream.set(manual(static_cast<float>(level), static_cast<float>(level)));
            Channels restored = run(stream, in, {512}).restored, late = truth;
            for (auto& channel : late) channel.insert(channel.begin(), stream.latency(), 0.0f), channel.resize(48000);
            if (first.empty()) first = restored;
            const double apart = difference(first, restored), gained = error(first, late) - error(restored, late);
            if (level > 1) CHECK(apart < 1e-6, "%s differs by %g", (*kernels)->name, apart);
            CHECK(std::abs(gained) < 0.5, "%s gains %g dB more at %g", (*kernels)->name, gained, level);
        }
    }
}

void scaling_and_polarity_follow() {
    const Channels in = clipped_tones(1, 20000, 48000, 0.5);
    Channels twice = in, turned = in;
    for (float& value : twice[0]) value *= 2;
    for (float& value : turned[0]) value = -value;
    Stream stream = make(48000, 1);
    stream.set(manual(0.5f, 0.5f));
    const Outputs out = run(stream, in, {512});
    stream.reset();
    stream.set(manual(1.0f, 1.0f));
    CHECK(difference(out.restored, run(stream, twice, {512}).restored, 2) < 1e-5, "twice");
    Stream other = make(48000, 1);
    other.set(manual(0.5f, 0.5f));
    CHECK(difference(out.dry, run(other, turned, {512}).dry, -1) == 0, "turned");
}

// Only a linked channel is restored at the level of the other.
void linked_channels_share_levels() {
    Channels in = clipped_tones(2, 48000, 48000, 0.7);
    in[1] = clipped_tones(1, 48000, 48000, 1e9)[0];
    for (int t = 0; t < 48000; ++t) in[1][t] = t % 9000 == 8000 ? 0.8f : 0.1f * in[1][t];
    for (const bool link : {false, true}) {
        Stream stream = make(48000, 2);
        Controls controls;
        controls.link = link;
        stream.set(controls);
        const Outputs out = run(stream, in, {64});
        int changed = 0;
        for (int t = 0; t < 48000; ++t) changed += out.restored[1][t] != out.dry[1][t];
        CHECK(link == (changed > 0), "linked: %d, %d samples changed", link, changed);
    }
}

void latency_is_a_few_hundredths_of_a_second() {
    for (const double rate : {8000.0, 11025.0, 44100.0, 48000.0, 88200.0, 192000.0}) {
        const double seconds = make(rate, 2).latency() / rate;
        CHECK(seconds > 0.05 && seconds < 0.12, "%g s at %g Hz", seconds, rate);
    }
    CHECK(make(48000, 2).latency() == 3584, "%d frames", make(48000, 2).latency());
}

void the_sine_is_as_good_as_that_of_the_library() {
    for (int i = 0; i <= 100000; ++i) {
        const double share = i / 1e5, found = declipper::sine(share), wanted = std::sin(M_PI * share);
        CHECK(std::abs(found - wanted) < 1e-15, "%.17g, not %.17g, at %g", found, wanted, share);
    }
}

void impossible_sample_rates_are_refused() {
    for (const double rate : {0.0, -48000.0, 100.0, 1e7, double{NAN_}, double{INF}}) {
        bool refused = false;
        try {
            make(rate, 2);
        } catch (const std::invalid_argument&) {
            refused = true;
        }
        CHECK(refused, "%g Hz", rate);
    }
}

}  // namespace

int main() {
    const declipper::Model random = random_model(usual_levels);
    for (const declipper::Model* tried : {declipper::embedded_model(), &random}) {
        model = tried;
        // a network's work differs from rate to rate in its lengths alone, and is slow where memory is checked
        blocks_do_not_matter(tried == &random ? std::vector{8000.0} : std::vector{8000.0, 48000.0, 96000.0});
        reliable_samples_stay_and_clipped_ones_rise();
        input_may_be_an_output();
        odd_signals_pass();
        lone_nans_stay_alone();
        scaling_and_polarity_follow();
        linked_channels_share_levels();
    }
    model = declipper::embedded_model();
    kernels_agree();
    latency_is_a_few_hundredths_of_a_second();
    the_sine_is_as_good_as_that_of_the_library();
    impossible_sample_rates_are_refused();
    return failures != 0;
}
