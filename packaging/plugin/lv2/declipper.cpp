// The LV2 plugins: one for mono, one for stereo. Ports: the parameters, the latency, the audio inputs, the audio outputs.
#include <string>

#include <lv2/core/lv2.h>

#include "ports.hpp"
#include "../shell.hpp"

using namespace declipper;

namespace {

struct Plugin {
    Plugin(double sample_rate, int channels) : channels(channels), shell(model, sample_rate, channels) {}

    int channels;
    ChosenModel model;
    Shell shell;
    float* controls[ControlCount] = {};
    const float* in[2] = {};
    float* out[2] = {};
};

LV2_Handle instantiate(const LV2_Descriptor* descriptor, double sample_rate, const char*, const LV2_Feature* const*) {
    try {
        return new Plugin(sample_rate, descriptor->URI == std::string(uris[0]) ? 1 : 2);
    } catch (...) {  // no exception may reach a host written in C
        return nullptr;
    }
}

void connect_port(LV2_Handle handle, uint32_t index, void* data) {
    Plugin& plugin = *static_cast<Plugin*>(handle);
    const int port = parameter_at(index, plugin.channels), audio = port - ControlCount;
    if (audio < 0) plugin.controls[port] = static_cast<float*>(data);
    else if (audio < plugin.channels) plugin.in[audio] = static_cast<const float*>(data);
    else plugin.out[audio - plugin.channels] = static_cast<float*>(data);
}

void activate(LV2_Handle handle) { static_cast<Plugin*>(handle)->shell.reset(); }

void run(LV2_Handle handle, uint32_t frames) {
    Plugin& plugin = *static_cast<Plugin*>(handle);
    float inputs[InputCount];
    for (int i = 0; i < InputCount; ++i) inputs[i] = plugin.controls[i] ? *plugin.controls[i] : parameters[i].initial;
    plugin.shell.process(inputs, plugin.in, plugin.out, static_cast<int>(frames));
    for (int i = InputCount; i < ParameterCount; ++i)
        if (plugin.controls[i]) *plugin.controls[i] = plugin.shell.meter(static_cast<Parameter>(i));
    if (plugin.controls[Latency]) *plugin.controls[Latency] = static_cast<float>(plugin.shell.latency());
}

void cleanup(LV2_Handle handle) { delete static_cast<Plugin*>(handle); }

const LV2_Descriptor descriptors[] = {
    {uris[0], instantiate, connect_port, activate, run, nullptr, cleanup, nullptr},
    {uris[1], instantiate, connect_port, activate, run, nullptr, cleanup, nullptr},
};

}  // namespace

LV2_SYMBOL_EXPORT const LV2_Descriptor* lv2_descriptor(uint32_t index) { return index < 2 ? &descriptors[index] : nullptr; }
