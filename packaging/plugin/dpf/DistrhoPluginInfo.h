// What DPF wants to know about the plugin when it is compiled; CHANNELS comes from the build.
#pragma once

#define DISTRHO_PLUGIN_BRAND "declipper"
#if CHANNELS == 1
#define DISTRHO_PLUGIN_NAME "Declipper (mono)"
#define DISTRHO_PLUGIN_URI "urn:declipper:mono"
#define DISTRHO_PLUGIN_CLAP_ID "declipper.mono"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Restoration|Mono"
#define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "restoration", "mono"
#else
#define DISTRHO_PLUGIN_NAME "Declipper"
#define DISTRHO_PLUGIN_URI "urn:declipper:stereo"
#define DISTRHO_PLUGIN_CLAP_ID "declipper.stereo"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Restoration|Stereo"
#define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "restoration", "stereo"
#endif
#define DISTRHO_PLUGIN_NUM_INPUTS CHANNELS
#define DISTRHO_PLUGIN_NUM_OUTPUTS CHANNELS
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_WANT_LATENCY 1
// without a state DPF's CLAP saves no parameters
#define DISTRHO_PLUGIN_WANT_STATE 1
