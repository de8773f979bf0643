// The parameters of the plugin, the same for every format. Their order and symbols are stored in projects: append, never reorder.
#pragma once

namespace declipper {

enum Parameter {
    Auto, ThresholdPositive, ThresholdNegative, Link, Ceiling, Makeup, Mix, Delta, Enabled,  // inputs
    DetectedPositive, DetectedNegative, ClippedShare,                                        // meters
    ParameterCount
};
constexpr int InputCount = Enabled + 1;

enum class Unit { toggle, decibel, percent };

struct ParameterInfo {
    const char* symbol;
    const char* name;
    const char* comment;
    Unit unit;
    float minimum, maximum, initial;
    const char* label = nullptr;  // what one end of the range stands for
    float labelled = 0;
};

constexpr float no_ceiling = 24, no_level = -90;

constexpr ParameterInfo parameters[ParameterCount] = {
    {"auto", "Automatic", "Find the clip levels in the signal", Unit::toggle, 0, 1, 1},
    {"thresh_pos", "Threshold positive", "Clip level of positive samples in dBFS, unused while automatic", Unit::decibel, -24, 0, 0},
    {"thresh_neg", "Threshold negative", "Clip level of negative samples in dBFS, unused while automatic", Unit::decibel, -24, 0, 0},
    {"link", "Link", "A channel without a clip level takes that of the other", Unit::toggle, 0, 1, 0},
    {"ceiling", "Ceiling", "Bend peaks softly under this level in dBFS", Unit::decibel, -12, no_ceiling, no_ceiling, "off", no_ceiling},
    {"makeup", "Makeup", "Gain after restoration", Unit::decibel, -24, 12, 0},
    {"mix", "Mix", "How much of what was restored is added", Unit::percent, 0, 100, 100},
    {"delta", "Delta", "Listen only to what was added", Unit::toggle, 0, 1, 0},
    {"enabled", "Enabled", "Off: the input, as late as when on", Unit::toggle, 0, 1, 1},
    {"detected_pos", "Detected positive", "Clip level of positive samples in dBFS", Unit::decibel, no_level, 24, no_level, "none", no_level},
    {"detected_neg", "Detected negative", "Clip level of negative samples in dBFS", Unit::decibel, no_level, 24, no_level, "none", no_level},
    {"clipped_pct", "Clipped", "Clipped samples of late", Unit::percent, 0, 100, 0},
};

// Mono has nothing to link, and everything after that one place earlier.
constexpr int parameter_count(int channels) { return channels == 1 ? ParameterCount - 1 : ParameterCount; }
constexpr int parameter_at(int place, int channels) { return channels == 1 && place >= Link ? place + 1 : place; }

}  // namespace declipper
