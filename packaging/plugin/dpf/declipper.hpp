// The plugin as DPF sees it, which makes VST3 and CLAP of it.
#pragma once

#include <DistrhoPlugin.hpp>
#include <memory>

#include "../scope.hpp"
#include "../shell.hpp"

START_NAMESPACE_DISTRHO

class DeclipperPlugin : public Plugin {
public:
    DeclipperPlugin();

    // What the interface, which has this plugin's address, shows of the sound.
    declipper::Scope scope;

protected:
    const char* getLabel() const override { return "declipper"; }
    const char* getDescription() const override { return "Restores clipped audio"; }
    const char* getMaker() const override { return "declipper"; }
    const char* getHomePage() const override { return DISTRHO_PLUGIN_URI; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(0, 1, 0); }
    int64_t getUniqueId() const override { return CHANNELS == 1 ? d_cconst('D', 'c', 'l', '1') : d_cconst('D', 'c', 'l', '2'); }

    void initAudioPort(bool input, uint32_t index, AudioPort& port) override;
    void initParameter(uint32_t number, Parameter& parameter) override;
    float getParameterValue(uint32_t number) const override;
    void setParameterValue(uint32_t number, float value) override;
    void activate() override;
    void sampleRateChanged(double rate) override;
    void run(const float** in, float** out, uint32_t frames) override;

private:
    const declipper::ChosenModel model_;
    float inputs_[declipper::InputCount];
    std::unique_ptr<declipper::Shell> shell_;
};

END_NAMESPACE_DISTRHO
