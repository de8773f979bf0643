// The parameters of the plugin, the same for every format. Their order and symbols are stored in projects: append, never reorder.
#pragma once

#include <iterator>

namespace declipper {

enum Parameter {
    Auto, ThresholdPositive, ThresholdNegative, Link, Ceiling, Makeup, Mix, Delta, Enabled,  // inputs
    DetectedPositive, DetectedNegative, ClippedShare, RunningModel,                          // meters
    ParameterCount
};
constexpr int InputCount = Enabled + 1;

enum class Unit { toggle, decibel, percent, choice };

// A value that has a name.
struct Label {
    float value;
    const char* text;
};
struct Labels {
    constexpr Labels() = default;
    template <int N>
    constexpr Labels(const Label (&all)[N]) : first(all), count(N) {}
    constexpr const Label* begin() const { return first; }
    constexpr const Label* end() const { return first + count; }
    const Label* first = nullptr;
    int count = 0;
};

struct ParameterInfo {
    const char* symbol;
    const char* name;
    const char* comment;
    Unit unit;
    float minimum, maximum, initial;
    Labels labels = {};
};

constexpr float no_ceiling = 24, no_level = -90;
constexpr Label ceilings[] = {{no_ceiling, "off"}}, found_levels[] = {{no_level, "none"}};
// In the order of `ModelChoice` in core/declipper.hpp.
constexpr Label models[] = {
    {0, "shipped"},
    {1, "own"},
    {2, "shipped, own refused: it cannot be read"},
    {3, "shipped, own refused: it is no model for this plugin"},
    {4, "shipped, own refused: it is of another version"},
    {5, "shipped, own refused: it is damaged"},
    {6, "shipped, own refused: it was trained for another version"},
    {7, "shipped, own refused: it is of a shape that does not run here"},
    {8, "shipped, own refused: it has weights that are no numbers"},
};

constexpr ParameterInfo parameters[ParameterCount] = {
    {"auto", "Automatic", "Find the clip levels in the signal", Unit::toggle, 0, 1, 1},
    {"thresh_pos", "Threshold positive", "Clip level of positive samples in dBFS, unused while automatic", Unit::decibel, -24, 0, 0},
    {"thresh_neg", "Threshold negative", "Clip level of negative samples in dBFS, unused while automatic", Unit::decibel, -24, 0, 0},
    {"link", "Link", "A channel without a clip level takes that of the other", Unit::toggle, 0, 1, 0},
    {"ceiling", "Ceiling", "Bend peaks softly under this level in dBFS", Unit::decibel, -12, no_ceiling, no_ceiling, ceilings},
    {"makeup", "Makeup", "Gain after restoration", Unit::decibel, -24, 12, 0},
    {"mix", "Mix", "How much of what was restored is added", Unit::percent, 0, 100, 100},
    {"delta", "Delta", "Listen only to what was added", Unit::toggle, 0, 1, 0},
    {"enabled", "Enabled", "Off: the input, as late as when on", Unit::toggle, 0, 1, 1},
    {"detected_pos", "Detected positive", "Clip level of positive samples in dBFS", Unit::decibel, no_level, 24, no_level, found_levels},
    {"detected_neg", "Detected negative", "Clip level of negative samples in dBFS", Unit::decibel, no_level, 24, no_level, found_levels},
    {"clipped_pct", "Clipped", "Clipped samples of late", Unit::percent, 0, 100, 0},
    {"model", "Model", "The model that restores: the shipped one, or the user's own", Unit::choice, 0, std::size(models) - 1, 0, models},
};

// Mono has nothing to link, and everything after that one place earlier.
constexpr int parameter_count(int channels) { return channels == 1 ? ParameterCount - 1 : ParameterCount; }
constexpr int parameter_at(int place, int channels) { return channels == 1 && place >= Link ? place + 1 : place; }

}  // namespace declipper
