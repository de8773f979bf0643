// What DPF wants to know about the plugin when it is compiled; CHANNELS comes from the build, and HAS_INTERFACE where it has one.
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
#if defined(HAS_INTERFACE)
#define DISTRHO_PLUGIN_HAS_UI 1
#define DISTRHO_PLUGIN_WANT_DIRECT_ACCESS 1
#define DISTRHO_UI_USE_NANOVG 1
#define DISTRHO_UI_FILE_BROWSER 0
#define DISTRHO_UI_DEFAULT_WIDTH 600
#define DISTRHO_UI_DEFAULT_HEIGHT 336
#else
#define DISTRHO_PLUGIN_HAS_UI 0
#endif
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_WANT_LATENCY 1
// without a state DPF's CLAP saves no parameters
#define DISTRHO_PLUGIN_WANT_STATE 1
