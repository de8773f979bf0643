// What a person sees: the last seconds, what was restored of them, the levels that were found, and the controls.
#include <DistrhoUI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <string>

#include "declipper.hpp"

START_NAMESPACE_DISTRHO

using declipper::Column;

namespace {

constexpr int WIDTH = DISTRHO_UI_DEFAULT_WIDTH, HEIGHT = DISTRHO_UI_DEFAULT_HEIGHT, MARGIN = 12, LINE = 20;
constexpr int STEP = 2;  // pixels of a column
constexpr float LOWEST_METER = -60, HIGHEST_METER = 12;  // dBFS
constexpr float FALL = 0.35f;  // dB by which a meter falls with each column: 21 dB in a second

struct Area {
    float x, y, width, height;
    bool has(const Point<double>& at) const { return at.getX() >= x && at.getX() < x + width && at.getY() >= y && at.getY() < y + height; }
};

constexpr Area wave = {MARGIN, MARGIN, 4.0f * declipper::Scope::PER_SECOND * STEP, 196};
constexpr Area meters = {wave.x + wave.width + MARGIN, MARGIN, WIDTH - wave.width - 3 * MARGIN, wave.height};

struct Control {
    declipper::Parameter parameter;
    Area area;
};

constexpr float FIRST_ROW = wave.y + wave.height + LINE + MARGIN, BUTTON = 92, SLIDER = (WIDTH - 2 * MARGIN - 4 * MARGIN) / 5.0f;
constexpr Area button(int place) { return {MARGIN + place * (BUTTON + MARGIN), FIRST_ROW, BUTTON, 24}; }
constexpr Area slider(int place) { return {MARGIN + place * (SLIDER + MARGIN), FIRST_ROW + 24 + MARGIN, SLIDER, 38}; }
const Control buttons[] = {{declipper::Auto, button(0)}, {declipper::Link, button(1)}, {declipper::Delta, button(2)}, {declipper::Enabled, button(3)}};
const Control sliders[] = {{declipper::ThresholdPositive, slider(0)}, {declipper::ThresholdNegative, slider(1)}, {declipper::Ceiling, slider(2)},
                           {declipper::Makeup, slider(3)}, {declipper::Mix, slider(4)}};

const Color BACKGROUND(22, 25, 29), PANEL(33, 38, 44), TEXT(208, 214, 220), FAINT(96, 106, 116), ACTIVE(62, 128, 168);
const Color WAVE(92, 124, 148), RESTORED(242, 140, 40), LEVEL(236, 214, 72);

float decibels(float linear) { return linear > 0 ? 20 * std::log10(linear) : -INFINITY; }

std::string in_decibels(float linear) {
    char text[16];
    std::snprintf(text, sizeof text, "%+.1f dB", decibels(linear));
    return linear > 0 ? text : "-";
}

// The place of a parameter among those that this plugin has.
uint32_t number_of(declipper::Parameter parameter) {
    uint32_t number = 0;
    while (declipper::parameter_at(static_cast<int>(number), CHANNELS) != parameter) ++number;
    return number;
}

}  // namespace

class DeclipperInterface : public UI {
public:
    DeclipperInterface() : UI(WIDTH, HEIGHT), scope_(static_cast<DeclipperPlugin*>(static_cast<Plugin*>(getPluginInstancePointer()))->scope) {
        setGeometryConstraints(WIDTH, HEIGHT, true, true);
        loadSharedResources();
        scope_.skip();
        for (int i = 0; i < declipper::ParameterCount; ++i) values_[i] = declipper::parameters[i].initial;
    }

protected:
    void parameterChanged(uint32_t number, float value) override {
        const int index = declipper::parameter_at(static_cast<int>(number), CHANNELS);
        values_[index] = index == declipper::Enabled ? 1 - value : value;
        repaint();
    }
    void stateChanged(const char*, const char*) override {}

    void uiIdle() override {
        Column column;
        bool fresh = false;
        for (; scope_.read(column); fresh = true) {
            columns_.push_back(column);
            if (columns_.size() > wave.width / STEP) columns_.pop_front();
            in_ = std::max(decibels(std::max(column.high, -column.low)), in_ - FALL);
            out_ = std::max(decibels(column.out), out_ - FALL);
        }
        if (fresh) repaint();
    }

    void onNanoDisplay() override {
        scale(getWidth() / static_cast<float>(WIDTH), getHeight() / static_cast<float>(HEIGHT));
        fontFace(NANOVG_DEJAVU_SANS_TTF);
        fontSize(12);
        box({0, 0, WIDTH, HEIGHT}, BACKGROUND);
        draw_wave();
        draw_words();
        draw_meter(0, "in", in_);
        draw_meter(1, "out", out_);
        for (const Control& control : buttons)
            if (is_shown(control)) draw_button(control);
        for (const Control& control : sliders) draw_slider(control);
    }

    bool onMouse(const MouseEvent& event) override {
        if (event.button != kMouseButtonLeft) return false;
        if (!event.press) {
            if (held_ != nullptr) editParameter(number_of(held_->parameter), false);
            held_ = nullptr;
            return true;
        }
        const Point<double> at = inside(event.pos);
        for (const Control& control : buttons)
            if (is_shown(control) && control.area.has(at)) {
                editParameter(number_of(control.parameter), true);
                give(control.parameter, values_[control.parameter] > 0.5f ? 0 : 1);
                editParameter(number_of(control.parameter), false);
                return true;
            }
        for (const Control& control : sliders)
            if (control.area.has(at)) {
                held_ = &control;
                editParameter(number_of(control.parameter), true);
                slide(at);
                return true;
            }
        return false;
    }

    bool onMotion(const MotionEvent& event) override {
        if (held_ != nullptr) slide(inside(event.pos));
        return held_ != nullptr;
    }

private:
    static bool is_shown(const Control& control) { return CHANNELS > 1 || control.parameter != declipper::Link; }

    Point<double> inside(const Point<double>& at) const {
        return Point<double>(at.getX() * WIDTH / getWidth(), at.getY() * HEIGHT / getHeight());
    }

    void give(declipper::Parameter parameter, float value) {
        values_[parameter] = value;
        setParameterValue(number_of(parameter), parameter == declipper::Enabled ? 1 - value : value);
        repaint();
    }

    void slide(const Point<double>& at) {
        const declipper::ParameterInfo& info = declipper::parameters[held_->parameter];
        const double share = std::clamp((at.getX() - held_->area.x) / held_->area.width, 0.0, 1.0);
        const double value = info.minimum + share * (info.maximum - info.minimum);
        give(held_->parameter, static_cast<float>(std::round(value * 10) / 10));
    }

    void box(const Area& area, const Color& color) {
        beginPath();
        rect(area.x, area.y, area.width, area.height);
        fillColor(color);
        fill();
    }

    void words(float x, float y, const std::string& said, const Color& color = TEXT, int align = ALIGN_LEFT) {
        fillColor(color);
        textAlign(align | ALIGN_MIDDLE);
        text(x, y, said.c_str(), nullptr);
    }

    // The last column is at the right end; the highest peak, or full scale, at the top.
    void draw_wave() {
        float most = 1;
        for (const Column& column : columns_) most = std::max({most, column.restored_high, -column.restored_low});
        const float middle = wave.y + wave.height / 2, unit = 0.48f * wave.height / most;
        const auto y = [&](float sample) { return middle - unit * std::clamp(sample, -most, most); };
        const float first = wave.x + wave.width - STEP * static_cast<float>(columns_.size());

        box(wave, PANEL);
        for (const float full : {-1.0f, 1.0f}) box({wave.x, y(full), wave.width, 1}, FAINT);
        const auto bars = [&](const Color& color, auto draw) {
            beginPath();
            for (std::size_t i = 0; i < columns_.size(); ++i) draw(columns_[i], first + STEP * static_cast<float>(i));
            fillColor(color);
            fill();
        };
        const auto bar = [&](float x, float from, float to) {
            if (to > from) rect(x, y(to), STEP, y(from) - y(to));
        };
        bars(WAVE, [&](const Column& column, float x) { bar(x, column.low, column.high); });
        bars(RESTORED, [&](const Column& column, float x) {
            bar(x, column.high, column.restored_high);
            bar(x, column.restored_low, column.low);
        });
        bars(LEVEL, [&](const Column& column, float x) {
            if (column.level_positive > 0) rect(x, y(column.level_positive) - 1, STEP, 2);
            if (column.level_negative > 0) rect(x, y(-column.level_negative) - 1, STEP, 2);
        });
    }

    void draw_words() {
        const Column last = columns_.empty() ? Column() : columns_.back();
        char clipped[32];
        std::snprintf(clipped, sizeof clipped, "clipped %.1f %%", values_[declipper::ClippedShare]);
        const float y = wave.y + wave.height + LINE / 2 + 2;
        words(wave.x, y, "levels " + in_decibels(last.level_positive) + " / " + in_decibels(last.level_negative), LEVEL);
        words(wave.x + 190, y, clipped, RESTORED);
        words(WIDTH - MARGIN, y, std::string("model: ") + declipper::models[static_cast<int>(values_[declipper::RunningModel])].text, FAINT,
              ALIGN_RIGHT);
    }

    void draw_meter(int place, const char* name, float level) {
        const float width = (meters.width - MARGIN) / 2, height = meters.height - LINE;
        const Area all = {meters.x + place * (width + MARGIN), meters.y, width, height};
        const auto y = [&](float db) { return all.y + height * (HIGHEST_METER - std::clamp(db, LOWEST_METER, HIGHEST_METER)) / (HIGHEST_METER - LOWEST_METER); };
        box(all, PANEL);
        box({all.x, y(std::min(level, 0.0f)), width, y(LOWEST_METER) - y(std::min(level, 0.0f))}, WAVE);
        if (level > 0) box({all.x, y(level), width, y(0) - y(level)}, RESTORED);
        box({all.x, y(0), width, 1}, FAINT);
        words(all.x + width / 2, meters.y + meters.height - LINE / 2 + 2, name, FAINT, ALIGN_CENTER);
    }

    void draw_button(const Control& control) {
        const Area& area = control.area;
        box(area, values_[control.parameter] > 0.5f ? ACTIVE : PANEL);
        words(area.x + area.width / 2, area.y + area.height / 2, declipper::parameters[control.parameter].name, TEXT, ALIGN_CENTER);
    }

    void draw_slider(const Control& control) {
        const declipper::ParameterInfo& info = declipper::parameters[control.parameter];
        const bool unused = values_[declipper::Auto] > 0.5f && (control.parameter == declipper::ThresholdPositive || control.parameter == declipper::ThresholdNegative);
        const Area& area = control.area;
        const float value = values_[control.parameter], share = (value - info.minimum) / (info.maximum - info.minimum);
        char said[16];
        std::snprintf(said, sizeof said, info.unit == declipper::Unit::percent ? "%.0f %%" : "%.1f dB", value);
        for (const declipper::Label& label : info.labels)
            if (value == label.value) std::snprintf(said, sizeof said, "%s", label.text);
        words(area.x, area.y + 9, info.name, unused ? FAINT : TEXT);
        words(area.x, area.y + 24, unused ? "automatic" : said, FAINT);
        box({area.x, area.y + 33, area.width, 4}, PANEL);
        box({area.x, area.y + 33, area.width * share, 4}, unused ? FAINT : ACTIVE);
    }

    declipper::Scope& scope_;
    float values_[declipper::ParameterCount];
    std::deque<Column> columns_;
    float in_ = LOWEST_METER, out_ = LOWEST_METER;
    const Control* held_ = nullptr;  // the slider that is being moved
};

UI* createUI() { return new DeclipperInterface; }

END_NAMESPACE_DISTRHO
