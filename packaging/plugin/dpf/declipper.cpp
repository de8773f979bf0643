// The plugin as DPF sees it, which makes VST3 and CLAP of it.
#include <DistrhoPlugin.hpp>
#include <algorithm>
#include <exception>
#include <memory>

#include "../shell.hpp"

START_NAMESPACE_DISTRHO

class DeclipperPlugin : public Plugin {
public:
    DeclipperPlugin() : Plugin(declipper::parameter_count(CHANNELS), 0, 0) {
        for (int i = 0; i < declipper::InputCount; ++i) inputs_[i] = declipper::parameters[i].initial;
        sampleRateChanged(getSampleRate());
    }

protected:
    const char* getLabel() const override { return "declipper"; }
    const char* getDescription() const override { return "Restores clipped audio"; }
    const char* getMaker() const override { return "declipper"; }
    const char* getHomePage() const override { return DISTRHO_PLUGIN_URI; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(0, 1, 0); }
    int64_t getUniqueId() const override { return CHANNELS == 1 ? d_cconst('D', 'c', 'l', '1') : d_cconst('D', 'c', 'l', '2'); }

    void initAudioPort(bool input, uint32_t index, AudioPort& port) override {
        port.groupId = CHANNELS == 1 ? kPortGroupMono : kPortGroupStereo;
        Plugin::initAudioPort(input, index, port);
    }

    void initParameter(uint32_t number, Parameter& parameter) override {
        const int index = declipper::parameter_at(number, CHANNELS);
        if (index == declipper::Enabled) {
            parameter.initDesignation(kParameterDesignationBypass);
            return;
        }
        const declipper::ParameterInfo& info = declipper::parameters[index];
        parameter.hints = index < declipper::InputCount ? kParameterIsAutomatable : kParameterIsOutput;
        if (info.unit == declipper::Unit::toggle) parameter.hints |= kParameterIsBoolean;
        if (info.unit == declipper::Unit::decibel) parameter.unit = "dB";
        if (info.unit == declipper::Unit::percent) parameter.unit = "%";
        parameter.name = info.name;
        parameter.symbol = info.symbol;
        parameter.description = info.comment;
        parameter.ranges.min = info.minimum;
        parameter.ranges.max = info.maximum;
        parameter.ranges.def = info.initial;
        if (index == declipper::RunningModel) parameter.ranges.def = static_cast<float>(model_.choice());  // some hosts never ask again
        if (info.unit == declipper::Unit::choice) {
            parameter.hints |= kParameterIsInteger;
            parameter.enumValues.restrictedMode = true;
        }
        if (info.labels.count == 0) return;
        parameter.enumValues.count = static_cast<uint8_t>(info.labels.count);
        parameter.enumValues.values = new ParameterEnumerationValue[info.labels.count];
        for (int i = 0; i < info.labels.count; ++i) parameter.enumValues.values[i] = {info.labels.first[i].value, info.labels.first[i].text};
    }

    float getParameterValue(uint32_t number) const override {
        const int index = declipper::parameter_at(number, CHANNELS);
        if (index == declipper::Enabled) return 1 - inputs_[index];
        if (index < declipper::InputCount) return inputs_[index];
        return shell_ ? shell_->meter(static_cast<declipper::Parameter>(index)) : declipper::parameters[index].initial;
    }

    void setParameterValue(uint32_t number, float value) override {
        const int index = declipper::parameter_at(number, CHANNELS);
        if (index >= declipper::InputCount) return;  // a meter: DPF's CLAP lets a host set those as well
        inputs_[index] = index == declipper::Enabled ? 1 - value : value;
    }

    void activate() override {
        if (shell_) shell_->reset();
    }

    void sampleRateChanged(double rate) override {
        shell_.reset();
        try {
            shell_ = std::make_unique<declipper::Shell>(model_, rate, CHANNELS);
        } catch (const std::exception&) {  // none may reach a host written in C
        }
        setLatency(shell_ ? static_cast<uint32_t>(shell_->latency()) : 0);
    }

    void run(const float** in, float** out, uint32_t frames) override {
        if (shell_) return shell_->process(inputs_, in, out, static_cast<int>(frames));
        // DPF has no way to refuse: silence, rather than whatever the host left there
        for (int c = 0; c < CHANNELS; ++c) std::fill_n(out[c], frames, 0.0f);
    }

private:
    const declipper::ChosenModel model_;
    float inputs_[declipper::InputCount];
    std::unique_ptr<declipper::Shell> shell_;
};

Plugin* createPlugin() { return new DeclipperPlugin; }

END_NAMESPACE_DISTRHO
