// What every plugin format does with what the core gives: parameters and audio in, audio and meters out, without clicks.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/chosen_model.hpp"
#include "core/declipper.hpp"
#include "parameters.hpp"
#include "scope.hpp"

namespace declipper {

// A value that reaches its target on a straight line.
class Ramp {
public:
    explicit Ramp(int frames) : frames_(frames) {}

    void to(double target, bool at_once) {
        if (at_once) {
            value_ = target;
            left_ = 0;
        } else if (target != target_) {
            step_ = (target - value_) / frames_;
            left_ = frames_;
        }
        target_ = target;
    }

    double next() {
        if (left_ > 0) value_ = --left_ > 0 ? value_ + step_ : target_;
        return value_;
    }

    double value() const { return value_; }

private:
    int frames_, left_ = 0;
    double value_ = 0, target_ = 0, step_ = 0;
};

class Shell {
public:
    // scope: where to write what an interface may show, or null. Throws std::invalid_argument for a sample rate that the core does not run
    // at, and where there is no model.
    Shell(const ChosenModel& model, double sample_rate, int channels, Scope* scope = nullptr)
        : stream_(the(model), sample_rate, channels), choice_(model.choice()), channels_(channels), dry_(ramp(sample_rate)), added_(ramp(sample_rate)),
          bent_(ramp(sample_rate)), ceiling_(ramp(sample_rate)), buffer_(4 * piece), scope_(scope, sample_rate) {}

    int latency() const { return stream_.latency(); }

    void reset() {
        stream_.reset();
        fresh_ = true;
    }

    // Any of `out` may be any of `in`.
    void process(const float (&inputs)[InputCount], const float* const* in, float* const* out, int frames) {
        set(inputs);
        for (int done = 0; done < frames; done += piece) run(in, out, done, std::min(piece, frames - done));
    }

    float meter(Parameter which) const {
        const Meters& meters = stream_.meters();
        switch (which) {
        case DetectedPositive: return level(which, meters.level_positive);
        case DetectedNegative: return level(which, meters.level_negative);
        case RunningModel: return static_cast<float>(choice_);
        default: return 100 * meters.clipped_share;
        }
    }

private:
    static constexpr int piece = 1024;
    static_assert(std::size(models) == static_cast<std::size_t>(ModelChoice::not_finite) + 1, "a choice without words");
    static constexpr double knee = 0.85;  // of the ceiling: where it begins to bend

    static const Model& the(const ChosenModel& chosen) {
        if (chosen.model() == nullptr) throw std::invalid_argument("the model in the binary is broken");
        return *chosen.model();
    }
    static int ramp(double sample_rate) { return std::max(1, static_cast<int>(0.01 * sample_rate)); }
    static double linear(double decibels) { return std::pow(10.0, decibels / 20); }
    static float level(Parameter which, float linear) {
        return linear > 0 ? std::clamp(20 * std::log10(linear), parameters[which].minimum, parameters[which].maximum) : no_level;
    }

    void set(const float (&inputs)[InputCount]) {
        if (!fresh_ && std::equal(inputs, inputs + InputCount, inputs_)) return;
        std::copy(inputs, inputs + InputCount, inputs_);
        float now[InputCount];
        for (int i = 0; i < InputCount; ++i)
            now[i] = std::isnan(inputs[i]) ? parameters[i].initial : std::clamp(inputs[i], parameters[i].minimum, parameters[i].maximum);
        const auto on = [&](Parameter toggle) { return now[toggle] > 0.5f; };

        Controls controls;
        controls.automatic = on(Auto);
        controls.threshold_positive = static_cast<float>(linear(now[ThresholdPositive]));
        controls.threshold_negative = static_cast<float>(linear(now[ThresholdNegative]));
        controls.link = channels_ > 1 && on(Link);
        stream_.set(controls);

        const double gain = linear(now[Makeup]);
        const bool limited = on(Enabled) && now[Ceiling] < no_ceiling;
        dry_.to(!on(Enabled) ? 1 : on(Delta) ? 0 : gain, fresh_);
        added_.to(on(Enabled) ? gain * now[Mix] / 100 : 0, fresh_);
        const bool was_limited = bent_.value() > 0;
        bent_.to(limited, fresh_);
        if (limited) ceiling_.to(linear(now[Ceiling]), !was_limited);
        fresh_ = false;
    }

    void run(const float* const* in, float* const* out, int begin, int frames) {
        const float* from[2];
        float *dry[2], *restored[2];
        for (int c = 0; c < channels_; ++c) {
            from[c] = in[c] + begin;
            dry[c] = buffer_.data() + 2 * c * piece;
            restored[c] = dry[c] + piece;
        }
        stream_.process(from, dry, restored, frames);
        for (int i = 0; i < frames; ++i) {
            const double of_dry = dry_.next(), of_added = added_.next(), bent = bent_.next(), ceiling = ceiling_.next();
            for (int c = 0; c < channels_; ++c) {
                // in double, so that the whole of both is the restored sample to the last bit; an infinite one has no dry share
                const double whole = restored[c][i], plain = std::isfinite(dry[c][i]) ? dry[c][i] : whole;
                const double sum = of_dry * plain + (whole == plain ? 0 : of_added * (whole - plain));
                out[c][begin + i] = static_cast<float>(bent > 0 ? sum + bent * (bend(sum, ceiling) - sum) : sum);
                scope_.add(dry[c][i], restored[c][i], out[c][begin + i]);
            }
            scope_.next(stream_.meters().level_positive, stream_.meters().level_negative);
        }
    }

    static double bend(double x, double ceiling) {
        const double straight = knee * ceiling, room = ceiling - straight, over = std::abs(x) - straight;
        return over > 0 ? std::copysign(straight + room * std::tanh(over / room), x) : x;
    }

    Stream stream_;
    ModelChoice choice_;
    int channels_;
    bool fresh_ = true;  // nothing has been heard yet, so nothing can click
    float inputs_[InputCount] = {};
    Ramp dry_, added_, bent_, ceiling_;
    std::vector<float> buffer_;
    ScopeWriter scope_;
};

}  // namespace declipper
