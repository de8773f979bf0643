#include "declipper.hpp"

#include <algorithm>
#include <exception>

START_NAMESPACE_DISTRHO

DeclipperPlugin::DeclipperPlugin() : Plugin(declipper::parameter_count(CHANNELS), 0, 0) {
    for (int i = 0; i < declipper::InputCount; ++i) inputs_[i] = declipper::parameters[i].initial;
    sampleRateChanged(getSampleRate());
}

void DeclipperPlugin::initAudioPort(bool input, uint32_t index, AudioPort& port) {
    port.groupId = CHANNELS == 1 ? kPortGroupMono : kPortGroupStereo;
    Plugin::initAudioPort(input, index, port);
}

void DeclipperPlugin::initParameter(uint32_t number, Parameter& parameter) {
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

float DeclipperPlugin::getParameterValue(uint32_t number) const {
    const int index = declipper::parameter_at(number, CHANNELS);
    if (index == declipper::Enabled) return 1 - inputs_[index];
    if (index < declipper::InputCount) return inputs_[index];
    return shell_ ? shell_->meter(static_cast<declipper::Parameter>(index)) : declipper::parameters[index].initial;
}

void DeclipperPlugin::setParameterValue(uint32_t number, float value) {
    const int index = declipper::parameter_at(number, CHANNELS);
    if (index >= declipper::InputCount) return;  // a meter: DPF's CLAP lets a host set those as well
    inputs_[index] = index == declipper::Enabled ? 1 - value : value;
}

void DeclipperPlugin::activate() {
    if (shell_) shell_->reset();
}

void DeclipperPlugin::sampleRateChanged(double rate) {
    shell_.reset();
    try {
        shell_ = std::make_unique<declipper::Shell>(model_, rate, CHANNELS, &scope);
    } catch (const std::exception&) {  // none may reach a host written in C
    }
    setLatency(shell_ ? static_cast<uint32_t>(shell_->latency()) : 0);
}

void DeclipperPlugin::run(const float** in, float** out, uint32_t frames) {
    if (shell_) return shell_->process(inputs_, in, out, static_cast<int>(frames));
    // DPF has no way to refuse: silence, rather than whatever the host left there
    for (int c = 0; c < CHANNELS; ++c) std::fill_n(out[c], frames, 0.0f);
}

Plugin* createPlugin() { return new DeclipperPlugin; }

END_NAMESPACE_DISTRHO
